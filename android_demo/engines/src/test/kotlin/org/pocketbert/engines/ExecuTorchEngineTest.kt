package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.Engine
import org.pocketbert.core.EngineException
import org.pocketbert.core.UnsupportedArtifactException
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class ExecuTorchEngineTest {
    private val bundle = fixtureBundle()
    private val artifact = bundle.artifact("executorch")
    private val rows = rowsOf(artifact)

    private fun open(module: ExecuTorchModule, artifact: Artifact = this.artifact): Engine =
        ExecuTorchFactory(1) { _, _ -> module }.open(bundle, artifact)

    @Test
    fun eachLengthGivesTheLogitsOfItsOwnRow() {
        val engine = open(FakeModule())
        for (row in rows + rows) assertLogits(row, engine)
    }

    @Test
    fun inputsOf64BitsGiveTheSameLogits() {
        val engine = open(FakeModule(), artifact.withInputsOf("int64"))
        for (row in rows) assertLogits(row, engine)
    }

    @Test
    fun inputsAndOutputsStandWhereTheManifestSays() {
        val engine = open(
            FakeModule(change = { it.reversed() }),
            artifact.copy(
                inputs = artifact.inputs.reversed(),
                outputs = artifact.outputs.map {
                    it.copy(artifactName = if (it.artifactName == "0") "1" else "0")
                },
            ),
        )
        for (row in rows) assertLogits(row, engine)
    }

    @Test
    fun memoryIsPreparedOnceForEachLength() {
        val module = FakeModule()
        val engine = open(module)
        repeat(3) { rows.forEach(engine::run) }
        assertEquals(artifact.seqLens.size, module.numPrepared)
    }

    @Test
    fun rowOfAnotherLengthIsRefused() {
        val one = artifact.copy(seqLens = listOf(64), entryPoints = listOf("forward"))
        val engine = open(FakeModule(), one)
        assertFailsWith<EngineException> { engine.run(rows.first()) }
    }

    @Test
    fun modelThatGivesTooLittleIsAnEngineThatFailed() {
        val changes = listOf<(List<FloatArray>) -> List<FloatArray>>(
            { emptyList() },
            { it.take(1) },
        )
        for (change in changes) {
            val engine = open(FakeModule(change = change))
            assertFailsWith<EngineException> { engine.run(rows.first()) }
        }
    }

    @Test
    fun whatTheRuntimeThrowsIsAnEngineExceptionAndTheNextCallMayWork() {
        val thrown = mutableListOf<Throwable>(
            IllegalStateException("no tensor"), OutOfMemoryError(), UnsatisfiedLinkError("libX"),
        )
        val module = FakeModule(change = { thrown.removeFirstOrNull()?.let { throw it } ?: it })
        val engine = open(module)
        repeat(3) { assertFailsWith<EngineException> { engine.run(rows.first()) } }
        assertLogits(rows.first(), engine)
    }

    @Test
    fun closingTwiceClosesOnceAndAClosedEngineSaysSo() {
        val module = FakeModule()
        val engine = open(module)
        repeat(2) { engine.close() }
        assertEquals(1, module.numClosed)
        assertFailsWith<EngineException> { engine.run(rows.first()) }
    }

    @Test
    fun modelWithoutTheMethodIsClosedAgain() {
        val module = FakeModule(methods = listOf("encode"))
        val failed = assertFailsWith<EngineException> { open(module) }
        assertEquals("the model has no method forward", failed.message)
        assertEquals(1, module.numClosed)
    }

    @Test
    fun artifactThatNoRowCanFeedIsRefusedAndClosed() {
        val inputs = artifact.inputs
        val changed = listOf(
            artifact.withInputsOf("float32"),
            artifact.copy(inputs = inputs.map { it.copy(name = "pixels") }),
            artifact.copy(inputs = inputs.map { it.copy(artifactName = "ids") }),
            artifact.copy(inputs = inputs.drop(1)),
            artifact.copy(outputs = artifact.outputs.map { it.copy(dtype = "float16") }),
        )
        for (each in changed) {
            val module = FakeModule()
            assertFailsWith<UnsupportedArtifactException> { open(module, each) }
            assertEquals(1, module.numClosed)
        }
    }
}
