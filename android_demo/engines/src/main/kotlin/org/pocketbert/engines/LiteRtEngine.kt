package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.Engine
import org.pocketbert.core.EngineException
import org.pocketbert.core.Outputs
import org.pocketbert.core.Row
import java.nio.Buffer
import java.nio.ByteBuffer

/** Runs a `.tflite` file with LiteRT, by the names of its signatures and of their tensors. */
class LiteRtEngine internal constructor(
    override val artifact: Artifact,
    private val model: LiteRtModel,
) : Engine {
    private val outputs = outputNames(artifact)
    private val calls: PreparedCalls
    private var isClosed = false

    init {
        val signatures = model.signatures
        val inputNames = artifact.inputs.map { it.artifactName }.toSet()
        for (name in artifact.entryPoints) {
            val signature = signatures[name]
                ?: throw EngineException("the model has no signature $name")
            if (signature.inputs != inputNames) {
                throw EngineException("$name takes ${signature.inputs}, not $inputNames")
            }
            val absent = outputs.values - signature.outputs.keys
            if (absent.isNotEmpty()) throw EngineException("$name gives no ${absent.first()}")
        }
        calls = PreparedCalls(artifact, ::prepare)
    }

    @Synchronized
    override fun run(row: Row): Outputs {
        if (isClosed) throw EngineException("the model was closed")
        return guarded("LiteRT failed") { calls.run(row) }
    }

    @Synchronized
    override fun close() {
        if (isClosed) return
        isClosed = true
        guarded("LiteRT failed") { model.close() }
    }

    private fun prepare(signature: String, rows: List<InputRow>): () -> Outputs {
        val counts = model.signatures.getValue(signature).outputs
        val given = outputs.mapValues { counts.getValue(it.value) }
        val bytes = given.mapValues { directBytes(Float.SIZE_BYTES * it.value) }
        val numbers = given.mapValues { FloatArray(it.value) }
        val call = model.prepare(
            signature,
            rows.associate { it.artifactName to it.bytes },
            bytes.mapKeys { outputs.getValue(it.key) },
        )
        return {
            // LiteRT writes at a buffer's position, and moves it.
            bytes.values.forEach(::rewind)
            call()
            for ((role, own) in numbers) read(bytes.getValue(role), own)
            numbers
        }
    }

    private fun read(bytes: ByteBuffer, numbers: FloatArray) {
        rewind(bytes)
        bytes.asFloatBuffer().get(numbers)
    }

    /** By the method that Android 8 has, too: there a `ByteBuffer` inherits it. */
    private fun rewind(bytes: Buffer) {
        bytes.rewind()
    }
}
