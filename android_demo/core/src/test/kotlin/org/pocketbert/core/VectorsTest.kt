package org.pocketbert.core

import kotlin.io.path.readText
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource

/** Everything that Python wrote for ports comes out the same here. */
class VectorsTest {
    @ParameterizedTest
    @ValueSource(strings = ["uncased", "cased", "spelling"])
    fun `every text gives the ids and offsets of the tokenizers library`(name: String) {
        val tokenizer = Fixture.openTokenizer(name)
        val file = Fixture.vectors.resolve(name).resolve("texts.json")
        val texts = json.decodeFromString<TextsFile>(file.readText()).texts
        assertTrue(texts.size > 150)
        for (vector in texts) {
            val tokens = tokenizer.tokenize(vector.text)
            val spans = tokens.indices.map { listOf(tokens.start(it), tokens.end(it)) }
            val places = CodePointPlaces(vector.text)
            assertEquals(vector.ids, tokens.indices.map(tokens::id), vector.text)
            assertEquals(vector.utf16Offsets, spans, vector.text)
            assertEquals(vector.offsets, spans.map { it.map(places::get) }, vector.text)
        }
    }

    @Test
    fun `every question gives the windows and the answer of the student in PyTorch`() {
        val settings = Fixture.settings("uncased")
        val tokenizer = Fixture.openTokenizer("uncased")
        val rules = settings.spanRules
        val cutter = WindowCutter(
            rules,
            settings.tokenizer.specialTokens,
            settings.tokenizer.secondTokenType,
        )
        val file = Fixture.vectors.resolve("uncased").resolve("answers.json")
        val answers = json.decodeFromString<AnswersFile>(file.readText()).answers
        assertTrue(answers.size >= 8 && answers.any { it.windows.size > 10 })
        for (vector in answers) {
            val question = tokenizer.tokenize(vector.question)
            val windows = cutter.cut(question, tokenizer.tokenize(vector.context), vector.seqLens)
            assertEquals(vector.windows.size, windows.size, vector.question)
            val search = SpanSearch(rules.maxAnswerTokens)
            for ((own, stated) in windows.zip(vector.windows)) {
                assertSame(stated, own, CodePointPlaces(vector.context))
                search.add(own, stated.startLogits, stated.endLogits)
            }
            assertAnswer(vector.answer, search.answer(vector.context))
        }
    }

    private fun assertSame(stated: AnsweredWindow, own: Window, places: CodePointPlaces) {
        assertEquals(stated.inputIds, own.row.inputIds.asList())
        assertEquals(stated.attentionMask, own.row.attentionMask.asList())
        assertEquals(stated.tokenTypeIds, own.row.tokenTypeIds.asList())
        assertEquals(stated.first, own.first)
        val spans = (0 until own.numContextTokens).map { listOf(own.start(it), own.end(it)) }
        assertEquals(stated.offsets, spans.map { it.map(places::get) })
    }
}

internal val Tokens.indices: IntRange get() = 0 until size

internal fun assertAnswer(stated: StatedAnswer, own: Answer?) {
    assertNotNull(own)
    assertEquals(stated.text, own.text)
    assertEquals(stated.start to stated.end, own.start to own.end)
    assertEquals(stated.score, own.score, absoluteTolerance = 1e-9)
}
