package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.Engine
import org.pocketbert.core.EngineException
import org.pocketbert.core.UnsupportedArtifactException
import java.nio.ByteBuffer
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertSame

class LiteRtEngineTest {
    private val bundle = fixtureBundle()
    private val artifact = bundle.artifact("tflite")
    private val rows = rowsOf(artifact)

    private fun open(model: LiteRtModel, artifact: Artifact = this.artifact): Engine =
        LiteRtFactory(1) { _, _ -> model }.open(bundle, artifact)

    @Test
    fun eachLengthRunsItsSignature() {
        val model = FakeModel()
        val engine = open(model)
        for (row in rows + rows) assertLogits(row, engine)
        assertEquals(artifact.entryPoints, model.prepared)
    }

    @Test
    fun inputsOf64BitsGiveTheSameLogits() {
        val engine = open(FakeModel(), artifact.withInputsOf("int64"))
        for (row in rows) assertLogits(row, engine)
    }

    @Test
    fun logitsOfALengthAreTheSameArraysInEachCall() {
        val engine = open(FakeModel())
        val first = engine.run(rows.last())
        assertSame(first["start_logits"], engine.run(rows.last())["start_logits"])
    }

    @Test
    fun whatTheRuntimeThrowsIsAnEngineExceptionAndTheNextCallMayWork() {
        val thrown = mutableListOf<Throwable>(
            IllegalArgumentException("Input error"), OutOfMemoryError(), NoClassDefFoundError("X"),
        )
        val engine = open(FakeModel(before = { thrown.removeFirstOrNull()?.let { throw it } }))
        repeat(3) { assertFailsWith<EngineException> { engine.run(rows.first()) } }
        assertLogits(rows.first(), engine)
    }

    @Test
    fun outputOfARowHasAsManyNumbersAsTheModelGives() {
        val widths = mapOf("start_logits" to 64, "end_logits" to 3)
        val signature = SignatureTensors(setOf("input_ids", "attention_mask"), widths)
        val wide = object : LiteRtModel by FakeModel(mapOf("len_64" to signature)) {
            override fun prepare(
                signature: String,
                inputs: Map<String, ByteBuffer>,
                outputs: Map<String, ByteBuffer>,
            ): () -> Unit = {
                for ((name, width) in widths) {
                    repeat(width) { outputs.getValue(name).putFloat(it.toFloat()) }
                }
            }
        }
        val one = artifact.copy(seqLens = listOf(64), entryPoints = listOf("len_64"))
        val engine = open(wide, one)
        repeat(2) {
            val found = engine.run(rows.last())
            assertContentEquals(floatArrayOf(0f, 1f, 2f), found["end_logits"])
            assertEquals(63f, found.getValue("start_logits").last())
        }
    }

    @Test
    fun closingTwiceClosesOnceAndAClosedEngineSaysSo() {
        val model = FakeModel()
        val engine = open(model)
        repeat(2) { engine.close() }
        assertEquals(1, model.numClosed)
        assertFailsWith<EngineException> { engine.run(rows.first()) }
    }

    @Test
    fun modelWithOtherSignaturesIsClosedAgain() {
        val names = setOf("input_ids", "attention_mask")
        val logits = mapOf("start_logits" to 64, "end_logits" to 64)
        val wanted = SignatureTensors(names, logits)
        val others = listOf(
            emptyMap(),
            mapOf("len_32" to wanted),
            mapOf("len_32" to wanted, "len_64" to SignatureTensors(names + "types", logits)),
            mapOf("len_32" to wanted, "len_64" to SignatureTensors(names, logits - "end_logits")),
        )
        for (signatures in others) {
            val model = FakeModel(signatures)
            assertFailsWith<EngineException> { open(model) }
            assertEquals(1, model.numClosed)
        }
    }

    @Test
    fun artifactThatNoRowCanFeedIsRefusedAndClosed() {
        val model = FakeModel()
        val floats = artifact.withInputsOf("float32")
        assertFailsWith<UnsupportedArtifactException> { open(model, floats) }
        assertEquals(1, model.numClosed)
    }
}
