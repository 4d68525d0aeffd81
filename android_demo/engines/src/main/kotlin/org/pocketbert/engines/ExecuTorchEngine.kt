package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.Engine
import org.pocketbert.core.EngineException
import org.pocketbert.core.Logits
import org.pocketbert.core.UnsupportedArtifactException
import org.pocketbert.core.Window

/** Runs a `.pte` file with ExecuTorch, which knows inputs and outputs by their positions. */
class ExecuTorchEngine internal constructor(
    override val artifact: Artifact,
    private val module: ExecuTorchModule,
) : Engine {
    private val outputs = OutputNames(artifact)
    private val startPosition = positionOf(outputs.start)
    private val endPosition = positionOf(outputs.end)
    private val calls: PreparedCalls
    private var isClosed = false

    init {
        val inputs = artifact.inputs.sortedBy { positionOf(it.artifactName) }
        val positions = inputs.map { positionOf(it.artifactName) }
        if (positions != inputs.indices.toList()) {
            throw UnsupportedArtifactException("the artifact's inputs stand at $positions")
        }
        val absent = artifact.entryPoints - module.methods.toSet()
        if (absent.isNotEmpty()) {
            throw EngineException("the model has no method ${absent.first()}")
        }
        calls = PreparedCalls(artifact.copy(inputs = inputs), ::prepare)
    }

    @Synchronized
    override fun run(window: Window): Logits {
        if (isClosed) throw EngineException("the model was closed")
        return guarded("ExecuTorch failed") { calls.run(window) }
    }

    @Synchronized
    override fun close() {
        if (isClosed) return
        isClosed = true
        guarded("ExecuTorch failed") { module.close() }
    }

    private fun prepare(method: String, rows: List<InputRow>): () -> Logits {
        val call = module.prepare(method, rows)
        val seqLen = rows.first().seqLen
        return {
            val outputs = call()
            Logits(
                logitsAt(outputs, startPosition, seqLen),
                logitsAt(outputs, endPosition, seqLen),
            )
        }
    }

    private fun logitsAt(outputs: List<FloatArray>, position: Int, seqLen: Int): FloatArray {
        val logits = outputs.getOrNull(position)
            ?: throw EngineException("the model gave ${outputs.size} outputs")
        if (logits.size != seqLen) {
            throw EngineException("the model gave ${logits.size} logits for a row of $seqLen")
        }
        return logits
    }

    private fun positionOf(artifactName: String): Int = artifactName.toIntOrNull()
        ?: throw UnsupportedArtifactException("the artifact knows a tensor as $artifactName")
}
