package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.Engine
import org.pocketbert.core.EngineException
import org.pocketbert.core.Logits
import org.pocketbert.core.Window
import java.nio.Buffer
import java.nio.ByteBuffer

/** Runs a `.tflite` file with LiteRT, by the names of its signatures and of their tensors. */
class LiteRtEngine internal constructor(
    override val artifact: Artifact,
    private val model: LiteRtModel,
) : Engine {
    private val outputs = OutputNames(artifact)
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
            val absent = setOf(outputs.start, outputs.end) - signature.outputs
            if (absent.isNotEmpty()) throw EngineException("$name gives no ${absent.first()}")
        }
        calls = PreparedCalls(artifact, ::prepare)
    }

    @Synchronized
    override fun run(window: Window): Logits {
        if (isClosed) throw EngineException("the model was closed")
        return guarded("LiteRT failed") { calls.run(window) }
    }

    @Synchronized
    override fun close() {
        if (isClosed) return
        isClosed = true
        guarded("LiteRT failed") { model.close() }
    }

    private fun prepare(signature: String, rows: List<InputRow>): () -> Logits {
        val seqLen = rows.first().seqLen
        val start = directBytes(Float.SIZE_BYTES * seqLen)
        val end = directBytes(Float.SIZE_BYTES * seqLen)
        val call = model.prepare(
            signature,
            rows.associate { it.artifactName to it.bytes },
            mapOf(outputs.start to start, outputs.end to end),
        )
        val logits = Logits(FloatArray(seqLen), FloatArray(seqLen))
        return {
            // LiteRT writes at a buffer's position, and moves it.
            rewind(start)
            rewind(end)
            call()
            read(start, logits.start)
            read(end, logits.end)
            logits
        }
    }

    private fun read(bytes: ByteBuffer, logits: FloatArray) {
        rewind(bytes)
        bytes.asFloatBuffer().get(logits)
    }

    /** By the method that Android 8 has, too: there a `ByteBuffer` inherits it. */
    private fun rewind(bytes: Buffer) {
        bytes.rewind()
    }
}
