package org.pocketbert.core

import kotlin.test.assertEquals
import kotlin.test.assertTrue
import net.jqwik.api.Arbitraries
import net.jqwik.api.Arbitrary
import net.jqwik.api.Combinators
import net.jqwik.api.ForAll
import net.jqwik.api.Property
import net.jqwik.api.Provide
import net.jqwik.api.constraints.IntRange

/** What holds of the windows of any question and context. */
internal class WindowPropertiesTest {
    data class Setting(val rules: SpanRules, val seqLens: List<Int>)

    @Provide
    fun settings(): Arbitrary<Setting> = Combinators.combine(
        Arbitraries.integers().between(4, 60).set().ofMinSize(1).ofMaxSize(4),
        Arbitraries.integers().between(0, 30),
        Arbitraries.integers().between(0, 50),
    ).`as` { lengths, mostAsked, overlap ->
        val rules = RULES.copy(maxQuestionTokens = mostAsked, windowOverlapTokens = overlap)
        Setting(rules, lengths.sorted())
    }

    @Property
    fun `windows cover the context in order, and every one fits the least length`(
        @ForAll("settings") setting: Setting,
        @ForAll @IntRange(min = 1, max = 40) numAsked: Int,
        @ForAll @IntRange(min = 1, max = 150) numContext: Int,
        @ForAll @IntRange(min = 0, max = 1) secondType: Int,
    ) {
        val question = numbered(numAsked, from = 100)
        val context = numbered(numContext, from = 1000)
        val cutter = WindowCutter(setting.rules, SPECIAL_IDS, secondType)
        val windows = cutter.cut(question, context, setting.seqLens)
        var covered = 0
        for (window in windows) {
            checkRow(window, question, secondType)
            assertEquals(setting.seqLens.first { it >= window.row.numTokens }, window.row.seqLen)
            val ids = window.row.inputIds
            val start = ids[window.first] - 1000
            assertTrue(start <= covered && start + window.numContextTokens > covered)
            covered = start + window.numContextTokens
            for (index in 0 until window.numContextTokens) {
                assertEquals(start + index + 1000, ids[window.first + index])
                assertEquals(2 * (start + index), window.start(index))
                assertEquals(2 * (start + index) + 1, window.end(index))
            }
        }
        assertEquals(numContext, covered)
        val mostAsked = minOf(setting.rules.maxQuestionTokens, (setting.seqLens.last() - 3) / 2)
        assertEquals(minOf(numAsked, mostAsked) + 2, windows.first().first)
        assertTrue(windows.dropLast(1).all { it.row.numTokens == setting.seqLens.last() })
    }

    private fun checkRow(window: Window, question: Tokens, secondType: Int) {
        val numAsked = window.first - 2
        val asked = (0 until numAsked).map(question::id)
        val padding = List(window.row.seqLen - window.row.numTokens) { 0 }
        val row = window.row.inputIds.asList()
        assertEquals(listOf(2) + asked + 3, row.take(window.first))
        assertEquals(listOf(3) + padding, row.drop(window.first + window.numContextTokens))
        val mask = window.row.attentionMask.asList()
        assertEquals(List(window.row.numTokens) { 1 } + padding, mask)
        val ofContext = List(window.row.numTokens - window.first) { secondType }
        val types = window.row.tokenTypeIds.asList()
        assertEquals(List(window.first) { 0 } + ofContext + padding, types)
    }

    companion object {
        val RULES = SpanRules(
            maxQuestionTokens = 64,
            maxAnswerTokens = 30,
            windowOverlapTokens = 128,
            maxTextCharacters = 200_000,
            maxUnknownShare = 0.5,
        )
        val SPECIAL_IDS = mapOf("[PAD]" to 0, "[UNK]" to 1, "[CLS]" to 2, "[SEP]" to 3)

        /** Tokens of one letter each, with ids that ascend. */
        fun numbered(size: Int, from: Int): Tokens =
            Tokens(1).apply { repeat(size) { add(from + it, 2 * it, 2 * it + 1) } }
    }
}
