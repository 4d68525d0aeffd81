package org.pocketbert.core

import java.util.concurrent.CancellationException
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
import org.pocketbert.core.UnreadableTextException.Reason

class ReaderTest {
    private val bundle = Fixture.opened
    private val engine = FirstWordEngine(bundle.artifact("tflite").copy(seqLens = listOf(32, 64)))
    private val reader = Reader(bundle, engine)
    private val context = "What is this? It is a question of the package. ".repeat(20)

    @Test
    fun `the answer is what the decoder makes of every window`() {
        val answer = reader.ask("What is it?", context)
        assertEquals(Answer("What", 0, 4, answer.score), answer)
        assertTrue(answer.score > 0 && answer.score < 1)
        assertTrue(engine.numRun > 3)
    }

    @ParameterizedTest
    @ValueSource(strings = ["", " ", "\n\t", "\u200b", "\u0000", "\u0301"])
    fun `a text with nothing to read is told, and which`(nothing: String) {
        assertRefused(Reason.EMPTY, TextPart.QUESTION) { reader.ask(nothing, context) }
        assertRefused(Reason.EMPTY, TextPart.CONTEXT) { reader.ask("What?", nothing) }
    }

    @Test
    fun `a text of ten megabytes is told to be too long, and at once`() {
        val long = "What is it? ".repeat(10_000_000 / 12)
        assertRefused(Reason.TOO_LONG, TextPart.QUESTION) { reader.ask(long, context) }
        assertRefused(Reason.TOO_LONG, TextPart.CONTEXT) { reader.ask("What?", long) }
        assertEquals(0, engine.numRun)
    }

    @Test
    fun `a text is too long from one character on, and a pair is one`() {
        val most = bundle.maxTextCharacters
        val longest = "What is it?" + "\u200b".repeat(most - 12)
        reader.ask("What?", "$longest\ud83c\udf75")
        assertRefused(Reason.TOO_LONG, TextPart.CONTEXT) {
            reader.ask("What?", "$longest\ud83c\udf75\u200b")
        }
    }

    @Test
    fun `half of a surrogate pair is told wherever it stands`() {
        val text = "What is it?"
        for (half in listOf("\ud800", "\udbff", "\udc00", "\udfff", "\udc00\ud800")) {
            for (place in 0..text.length) {
                val broken = text.take(place) + half + text.drop(place)
                assertRefused(Reason.NO_UNICODE, TextPart.QUESTION) { reader.ask(broken, context) }
                assertRefused(Reason.NO_UNICODE, TextPart.CONTEXT) { reader.ask(text, broken) }
            }
        }
        reader.ask("$text \ud83c\udf75", "$text \ud83c\udf75")
    }

    @Test
    fun `a text in a script that the student does not know is told`() {
        val unknown = "ꙮ ꙮꙮ ꙮ what"
        assertRefused(Reason.UNKNOWN_SCRIPT, TextPart.QUESTION) { reader.ask(unknown, context) }
        assertRefused(Reason.UNKNOWN_SCRIPT, TextPart.CONTEXT) { reader.ask("What?", unknown) }
    }

    @ParameterizedTest
    @ValueSource(floats = [Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY])
    fun `a logit that is no number gives no answer`(logit: Float) {
        for (place in listOf(0, 1, 9)) {
            val broken = ScriptedEngine(engine.artifact) { row ->
                engine.run(row).also { it.getValue(START_LOGITS)[row.first + place] = logit }
            }
            val err = assertFailsWith<EngineException> {
                Reader(bundle, broken).ask("What is it?", context)
            }
            assertContains(err.message.orEmpty(), "not a number")
        }
    }

    @Test
    fun `a logit that is no number counts only at the context's tokens`() {
        val broken = ScriptedEngine(engine.artifact) { row ->
            engine.run(row).also { it.getValue(START_LOGITS).fill(Float.NaN, 0, row.first) }
        }
        assertEquals("What", Reader(bundle, broken).ask("What is it?", context).text)
    }

    @Test
    fun `an engine that throws is told, and may be asked again`() {
        var isBroken = true
        val moody = ScriptedEngine(engine.artifact) { row ->
            if (isBroken) throw IllegalStateException("the runtime gave up") else engine.run(row)
        }
        val reader = Reader(bundle, moody)
        val err = assertFailsWith<EngineException> { reader.ask("What?", context) }
        assertContains(err.message.orEmpty(), "the runtime gave up")
        assertNotNull(err.cause)
        isBroken = false
        assertEquals("What", reader.ask("What?", context).text)
    }

    @Test
    fun `an engine's own error is passed on as it is`() {
        val own = EngineException("of the engine")
        val reader = Reader(bundle, ScriptedEngine(engine.artifact) { throw own })
        assertEquals(own, assertFailsWith<EngineException> { reader.ask("What?", context) })
    }

    @Test
    fun `an engine with fewer logits than tokens is told`() {
        for (outputs in listOf(
            logits(FloatArray(64), FloatArray(5)), mapOf(START_LOGITS to FloatArray(64)),
        )) {
            val short = ScriptedEngine(engine.artifact) { outputs }
            val err = assertFailsWith<EngineException> { Reader(bundle, short).ask("What?", context) }
            assertContains(err.message.orEmpty(), END_LOGITS)
        }
    }

    @Test
    fun `what the checkpoint throws ends the answer before the next window`() {
        for (most in 0..3) {
            var numChecked = 0
            val before = engine.numRun
            val thrown = assertFailsWith<CancellationException> {
                reader.ask("What?", context) {
                    if (numChecked++ == most) throw CancellationException("rotated")
                }
            }
            assertEquals("rotated", thrown.message)
            assertEquals(most, engine.numRun - before)
        }
        assertEquals("What", reader.ask("What?", context).text)
    }

    @Test
    fun `a reader closes its engine`() {
        reader.close()
        assertTrue(engine.isClosed)
    }

    private fun assertRefused(reason: Reason, part: TextPart, ask: () -> Unit) {
        val err = assertFailsWith<UnreadableTextException> { ask() }
        assertEquals(reason to part, err.reason to err.part)
    }
}

/** Gives what it is told to. */
class ScriptedEngine(
    override val artifact: Artifact,
    private val outputsOf: (Row) -> Outputs,
) : Engine {
    override fun run(row: Row): Outputs = outputsOf(row)

    override fun close() = Unit
}

/** Takes the first token of each window for the answer, and reuses its arrays as engines do. */
private class FirstWordEngine(override val artifact: Artifact) : Engine {
    private val outputs = artifact.seqLens.last().let { logits(FloatArray(it), FloatArray(it)) }

    var numRun = 0
        private set
    var isClosed = false
        private set

    override fun run(row: Row): Outputs {
        numRun++
        for (values in outputs.values) {
            values.fill(0F)
            values[row.first] = 5F
        }
        return outputs
    }

    override fun close() {
        isClosed = true
    }
}

/** Where the context begins, which has the second type. */
private val Row.first: Int get() = tokenTypeIds.indexOf(1)
