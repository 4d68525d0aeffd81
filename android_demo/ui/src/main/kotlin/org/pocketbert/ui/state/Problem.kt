package org.pocketbert.ui.state

import org.pocketbert.core.DamagedBundleException
import org.pocketbert.core.NewerBundleException
import org.pocketbert.core.NoBundleException
import org.pocketbert.core.NoRoomException
import org.pocketbert.core.TextPart
import org.pocketbert.core.UnreadableTextException
import org.pocketbert.core.UnsupportedArtifactException
import org.pocketbert.core.UntrustedBundleException

/** What does not work, as a screen tells it. */
sealed interface Problem {
    /** What the one who reports it copies; nobody need understand it. */
    val details: String

    data class NoBundle(override val details: String) : Problem

    data class DamagedBundle(val path: String, override val details: String) : Problem

    /** @property missingBytes that have to be freed for the bundle. */
    data class NoRoom(val missingBytes: Long, override val details: String) : Problem

    data class NewerBundle(override val details: String) : Problem

    data class UntrustedBundle(override val details: String) : Problem

    data class UnreadableText(
        val part: TextPart,
        val reason: UnreadableTextException.Reason,
        override val details: String,
    ) : Problem

    data class EngineFailed(
        val stage: EngineStage,
        val engine: String,
        override val details: String,
    ) : Problem

    data class Unexpected(override val details: String) : Problem
}

/** Where an engine failed. */
enum class EngineStage { CHECKING_VERSION, LOADING, RUNNING }

/** Tells what does not work with the bundle. */
internal fun bundleProblem(failure: Throwable): Problem {
    val details = detailsOf(failure)
    return when (failure) {
        is NoBundleException -> Problem.NoBundle(details)
        is DamagedBundleException -> Problem.DamagedBundle(failure.path, details)
        is NoRoomException -> Problem.NoRoom(failure.missingBytes, details)
        is NewerBundleException -> Problem.NewerBundle(details)
        is UntrustedBundleException -> Problem.UntrustedBundle(details)
        else -> Problem.Unexpected(details)
    }
}

/** Tells why an engine gave nothing; [engine] is its label. */
internal fun engineProblem(failure: Throwable, engine: String): Problem = when (failure) {
    is UnreadableTextException ->
        Problem.UnreadableText(failure.part, failure.reason, detailsOf(failure))
    is DamagedBundleException -> bundleProblem(failure)
    is EngineNotLoadedException -> Problem.EngineFailed(
        stage = when (failure.cause) {
            is UnsupportedArtifactException -> EngineStage.CHECKING_VERSION
            else -> EngineStage.LOADING
        },
        engine = engine,
        details = detailsOf(failure.cause),
    )
    else -> Problem.EngineFailed(EngineStage.RUNNING, engine, detailsOf(failure))
}

private fun detailsOf(failure: Throwable): String =
    failure.message?.takeIf(String::isNotBlank) ?: failure.javaClass.name
