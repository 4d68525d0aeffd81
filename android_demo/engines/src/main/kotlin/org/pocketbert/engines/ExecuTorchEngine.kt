package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.Engine
import org.pocketbert.core.EngineException
import org.pocketbert.core.Outputs
import org.pocketbert.core.Row
import org.pocketbert.core.UnsupportedArtifactException

/** Runs a `.pte` file with ExecuTorch, which knows inputs and outputs by their positions. */
class ExecuTorchEngine internal constructor(
    override val artifact: Artifact,
    private val module: ExecuTorchModule,
) : Engine {
    private val positions = outputNames(artifact).mapValues { positionOf(it.value) }
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
    override fun run(row: Row): Outputs {
        if (isClosed) throw EngineException("the model was closed")
        return guarded("ExecuTorch failed") { calls.run(row) }
    }

    @Synchronized
    override fun close() {
        if (isClosed) return
        isClosed = true
        guarded("ExecuTorch failed") { module.close() }
    }

    private fun prepare(method: String, rows: List<InputRow>): () -> Outputs {
        val call = module.prepare(method, rows)
        return {
            val given = call()
            positions.mapValues { (_, position) ->
                given.getOrNull(position)
                    ?: throw EngineException("the model gave ${given.size} outputs")
            }
        }
    }

    private fun positionOf(artifactName: String): Int = artifactName.toIntOrNull()
        ?: throw UnsupportedArtifactException("the artifact knows a tensor as $artifactName")
}
