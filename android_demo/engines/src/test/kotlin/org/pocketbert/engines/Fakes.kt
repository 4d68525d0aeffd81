package org.pocketbert.engines

import org.pocketbert.core.Engine
import org.pocketbert.core.Row
import java.nio.ByteBuffer
import kotlin.test.assertContentEquals

/** What a fake model makes of a row, so that a test can tell from what memory it was read. */
private fun startLogit(id: Long, mask: Long): Float = id + 0.5f * mask

private fun endLogit(id: Long, mask: Long): Float = -startLogit(id, mask)

/** Reads ids and mask where an engine wrote them, at each call anew. */
private fun logits(ids: ByteBuffer, mask: ByteBuffer, seqLen: Int): Pair<FloatArray, FloatArray> {
    val isLong = ids.capacity() == Long.SIZE_BYTES * seqLen
    fun read(bytes: ByteBuffer, i: Int): Long = when {
        isLong -> bytes.getLong(Long.SIZE_BYTES * i)
        else -> bytes.getInt(Int.SIZE_BYTES * i).toLong()
    }
    return Pair(
        FloatArray(seqLen) { startLogit(read(ids, it), read(mask, it)) },
        FloatArray(seqLen) { endLogit(read(ids, it), read(mask, it)) },
    )
}

/** Takes ids first and the mask second, and gives start logits first. */
internal class FakeModule(
    override val methods: List<String> = listOf("forward"),
    private val change: (List<FloatArray>) -> List<FloatArray> = { it },
) : ExecuTorchModule {
    var numPrepared = 0
    var numClosed = 0

    override fun prepare(method: String, inputs: List<InputRow>): () -> List<FloatArray> {
        numPrepared++
        val (ids, mask) = inputs
        return { change(logits(ids.bytes, mask.bytes, ids.seqLen).toList()) }
    }

    override fun close() {
        numClosed++
    }
}

/** Knows its tensors by the names of the fixture's artifact. */
internal class FakeModel(
    override val signatures: Map<String, SignatureTensors> =
        listOf("len_32", "len_64").associateWith {
            SignatureTensors(
                setOf("input_ids", "attention_mask"),
                listOf("start_logits", "end_logits")
                    .associateWith { _ -> it.removePrefix("len_").toInt() },
            )
        },
    private val before: () -> Unit = {},
) : LiteRtModel {
    val prepared = mutableListOf<String>()
    var numClosed = 0

    override fun prepare(
        signature: String,
        inputs: Map<String, ByteBuffer>,
        outputs: Map<String, ByteBuffer>,
    ): () -> Unit {
        prepared += signature
        val seqLen = signature.removePrefix("len_").toInt()
        return {
            before()
            val ids = inputs.getValue("input_ids")
            val (start, end) = logits(ids, inputs.getValue("attention_mask"), seqLen)
            // At the position where they stand, which it moves, as LiteRT does.
            start.forEach { outputs.getValue("start_logits").putFloat(it) }
            end.forEach { outputs.getValue("end_logits").putFloat(it) }
        }
    }

    override fun close() {
        numClosed++
    }
}

/** Asserts that a row comes back as a fake model makes it, and no other. */
internal fun assertLogits(row: Row, engine: Engine) {
    val outputs = engine.run(row)
    fun expected(logit: (Long, Long) -> Float) = FloatArray(row.seqLen) {
        logit(row.inputIds[it].toLong(), row.attentionMask[it].toLong())
    }
    assertContentEquals(expected(::startLogit), outputs.getValue("start_logits"))
    assertContentEquals(expected(::endLogit), outputs.getValue("end_logits"))
}
