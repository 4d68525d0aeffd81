package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.Bundle
import org.pocketbert.core.Window
import org.pocketbert.core.WindowCutter
import org.pocketbert.core.openBundle
import java.nio.file.Path

/** The bundle that the tests of all modules read. */
internal fun fixtureBundle(): Bundle =
    openBundle(Path.of("..", "core", "src", "test", "resources", "bundle"))

/** The one that `-Dpocketbert.bundle` names, or else the fixture. */
internal fun givenBundle(): Bundle =
    System.getProperty("pocketbert.bundle")?.let { openBundle(Path.of(it)) } ?: fixtureBundle()

/** For each length of an artifact, the shortest first, a full window and one with padding. */
internal fun windowsOf(bundle: Bundle, artifact: Artifact): List<Window> {
    val settings = bundle.manifest
    val cutter = WindowCutter(
        settings.spanRules,
        settings.tokenizer.specialTokens,
        settings.tokenizer.secondTokenType,
    )
    val question = bundle.tokenizer.tokenize("Who?")
    return artifact.seqLens.flatMap { seqLen ->
        listOf("the tower ".repeat(seqLen), "the tower").map { text ->
            cutter.cut(question, bundle.tokenizer.tokenize(text), listOf(seqLen)).first()
        }
    }
}

/** As the manifest describes it, but with other dtypes. */
internal fun Artifact.withInputsOf(dtype: String): Artifact =
    copy(inputs = inputs.map { it.copy(dtype = dtype) })
