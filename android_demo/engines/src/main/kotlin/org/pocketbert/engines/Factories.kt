package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.Bundle
import org.pocketbert.core.Engine
import org.pocketbert.core.EngineFactory
import org.pocketbert.core.PocketBertException
import org.pocketbert.core.UnsupportedArtifactException
import org.pocketbert.core.checkRuntime
import java.nio.file.Path

/** Opens `.pte` files with ExecuTorch. */
class ExecuTorchFactory internal constructor(
    private val numThreads: Int,
    private val load: (Path, Int) -> ExecuTorchModule,
) : EngineFactory {
    constructor(numThreads: Int = defaultNumThreads()) : this(numThreads, ::loadModule)

    override val backend = "executorch"
    override val label = "ExecuTorch"

    override fun open(bundle: Bundle, artifact: Artifact): Engine {
        check(artifact)
        val path = bundle.file(artifact.path)
        return orClose(guarded("ExecuTorch cannot load the model") { load(path, numThreads) }) {
            ExecuTorchEngine(artifact, it)
        }
    }
}

/** Opens `.tflite` files with LiteRT. */
class LiteRtFactory internal constructor(
    private val numThreads: Int,
    private val load: (Path, Int) -> LiteRtModel,
) : EngineFactory {
    constructor(numThreads: Int = defaultNumThreads()) : this(numThreads, ::loadInterpreter)

    override val backend = "tflite"
    override val label = "TFLite"

    override fun open(bundle: Bundle, artifact: Artifact): Engine {
        check(artifact)
        val path = bundle.file(artifact.path)
        return orClose(guarded("LiteRT cannot load the model") { load(path, numThreads) }) {
            LiteRtEngine(artifact, it)
        }
    }
}

/** Refuses what cannot run before anything of it is loaded. */
private fun EngineFactory.check(artifact: Artifact) {
    if (artifact.backend != backend) {
        throw UnsupportedArtifactException("$label does not run artifacts for ${artifact.backend}")
    }
    checkRuntime(artifact, RuntimeVersions.byName)
}

/** Returns the engine that is made of an opened thing, which is closed if that fails. */
private fun <T : AutoCloseable> orClose(opened: T, make: (T) -> Engine): Engine =
    try {
        guarded("the model cannot be used") { make(opened) }
    } catch (err: PocketBertException) {
        try {
            opened.close()
        } catch (second: RuntimeException) {
            err.addSuppressed(second)
        }
        throw err
    }
