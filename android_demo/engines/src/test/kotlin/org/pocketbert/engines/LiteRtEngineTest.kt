package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.Engine
import org.pocketbert.core.EngineException
import org.pocketbert.core.UnsupportedArtifactException
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertSame

class LiteRtEngineTest {
    private val bundle = fixtureBundle()
    private val artifact = bundle.artifact("tflite")
    private val windows = windowsOf(bundle, artifact)

    private fun open(model: LiteRtModel, artifact: Artifact = this.artifact): Engine =
        LiteRtFactory(1) { _, _ -> model }.open(bundle, artifact)

    @Test
    fun eachLengthRunsItsSignature() {
        val model = FakeModel()
        val engine = open(model)
        for (window in windows + windows) assertLogits(window, engine)
        assertEquals(artifact.entryPoints, model.prepared)
    }

    @Test
    fun inputsOf64BitsGiveTheSameLogits() {
        val engine = open(FakeModel(), artifact.withInputsOf("int64"))
        for (window in windows) assertLogits(window, engine)
    }

    @Test
    fun logitsOfALengthAreTheSameArraysInEachCall() {
        val engine = open(FakeModel())
        val first = engine.run(windows.last())
        assertSame(first.start, engine.run(windows.last()).start)
    }

    @Test
    fun whatTheRuntimeThrowsIsAnEngineExceptionAndTheNextCallMayWork() {
        val thrown = mutableListOf<Throwable>(
            IllegalArgumentException("Input error"), OutOfMemoryError(), NoClassDefFoundError("X"),
        )
        val engine = open(FakeModel(before = { thrown.removeFirstOrNull()?.let { throw it } }))
        repeat(3) { assertFailsWith<EngineException> { engine.run(windows.first()) } }
        assertLogits(windows.first(), engine)
    }

    @Test
    fun closingTwiceClosesOnceAndAClosedEngineSaysSo() {
        val model = FakeModel()
        val engine = open(model)
        repeat(2) { engine.close() }
        assertEquals(1, model.numClosed)
        assertFailsWith<EngineException> { engine.run(windows.first()) }
    }

    @Test
    fun modelWithOtherSignaturesIsClosedAgain() {
        val names = setOf("input_ids", "attention_mask")
        val logits = setOf("start_logits", "end_logits")
        val wanted = SignatureTensors(names, logits)
        val others = listOf(
            emptyMap(),
            mapOf("len_32" to wanted),
            mapOf("len_32" to wanted, "len_64" to SignatureTensors(names + "types", logits)),
            mapOf("len_32" to wanted, "len_64" to SignatureTensors(names, setOf("start_logits"))),
        )
        for (signatures in others) {
            val model = FakeModel(signatures)
            assertFailsWith<EngineException> { open(model) }
            assertEquals(1, model.numClosed)
        }
    }

    @Test
    fun artifactThatNoWindowCanFeedIsRefusedAndClosed() {
        val model = FakeModel()
        val floats = artifact.withInputsOf("float32")
        assertFailsWith<UnsupportedArtifactException> { open(model, floats) }
        assertEquals(1, model.numClosed)
    }
}
