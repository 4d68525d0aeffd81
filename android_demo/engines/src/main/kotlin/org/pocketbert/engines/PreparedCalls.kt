package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.EngineException
import org.pocketbert.core.Outputs
import org.pocketbert.core.Row
import org.pocketbert.core.UnsupportedArtifactException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * The calls of an artifact: one for each of its lengths, with memory that is used again each time.
 *
 * @param prepare binds an entry point of the artifact to its inputs.
 * @throws UnsupportedArtifactException it wants an input that no row has.
 */
internal class PreparedCalls(
    private val artifact: Artifact,
    prepare: (entryPoint: String, inputs: List<InputRow>) -> () -> Outputs,
) {
    private class Call(val inputs: List<InputRow>, val run: () -> Outputs)

    private val calls: Map<Int, Call> =
        artifact.seqLens.zip(artifact.entryPoints).associate { (seqLen, entryPoint) ->
            val inputs = artifact.inputs.map { InputRow(it, seqLen) }
            seqLen to Call(inputs, prepare(entryPoint, inputs))
        }

    /** @throws EngineException the artifact has not the length of this row. */
    fun run(row: Row): Outputs {
        val call = calls[row.seqLen] ?: throw EngineException(
            "the model takes rows of ${artifact.seqLens}, not of ${row.seqLen}",
        )
        call.inputs.forEach { it.fill(row) }
        return call.run()
    }
}

/** Memory that a runtime may read and write itself. */
internal fun directBytes(size: Int): ByteBuffer =
    ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder())
