package org.pocketbert.core

import kotlin.math.exp
import kotlin.math.ln
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import net.jqwik.api.Arbitraries
import net.jqwik.api.Arbitrary
import net.jqwik.api.Example
import net.jqwik.api.ForAll
import net.jqwik.api.Property
import net.jqwik.api.Provide
import net.jqwik.api.constraints.IntRange
import org.pocketbert.core.WindowPropertiesTest.Companion.RULES
import org.pocketbert.core.WindowPropertiesTest.Companion.SPECIAL_IDS
import org.pocketbert.core.WindowPropertiesTest.Companion.numbered

/** The decoder finds what trying everything finds. */
class SpanDecoderPropertiesTest {
    /** Few values, so that spans are often equal. */
    @Provide
    fun logits(): Arbitrary<List<Float>> = Arbitraries.oneOf(
        Arbitraries.integers().between(-3, 3).map { it.toFloat() },
        Arbitraries.floats().between(-50F, 50F),
    ).list().ofSize(97)

    @Property
    fun `the answer is the first of the best spans, and its score that of all windows`(
        @ForAll("logits") values: List<Float>,
        @ForAll @IntRange(min = 1, max = 60) numContext: Int,
        @ForAll @IntRange(min = 1, max = 9) maxTokens: Int,
    ) {
        val rules = RULES.copy(maxAnswerTokens = maxTokens, windowOverlapTokens = 4)
        val (context, windows) = cut(numContext, rules)
        val logits = logitsFor(windows, values)
        val answer = decode(rules, context, windows) { logits.getValue(it) }
        val expected = tryAll(windows, logits, maxTokens)
        assertNotNull(answer)
        assertEquals(expected.start to expected.end, answer.start to answer.end)
        assertEquals(context.substring(expected.start, expected.end), answer.text)
        assertEquals(expected.score, answer.score, absoluteTolerance = 1e-9)
    }

    @Property
    fun `one logit of the context that is no number leaves no answer`(
        @ForAll("logits") values: List<Float>,
        @ForAll @IntRange(min = 1, max = 60) numContext: Int,
        @ForAll @IntRange(min = 0, max = 10_000) place: Int,
    ) {
        val (context, windows) = cut(numContext, RULES)
        val window = windows[place % windows.size]
        for (bad in listOf(Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY)) {
            val logits = logitsFor(windows, values)
            val role = if (place % 2 == 0) START_LOGITS else END_LOGITS
            val row = logits.getValue(window).getValue(role)
            row[window.first + place % window.numContextTokens] = bad
            assertNull(decode(RULES, context, windows) { logits.getValue(it) })
        }
    }

    @Example
    fun `logits that are far apart give a probability still`() {
        val (context, windows) = cut(2, RULES)
        for ((high, low) in listOf(3e38F to -3e38F, 0F to -3e38F, 1e4F to 9e3F)) {
            val row = FloatArray(windows[0].row.seqLen) { low }.also { it[windows[0].first] = high }
            val answer = decode(RULES, context, windows) { logits(row, row) }
            assertEquals(Answer("a", 0, 1, 1.0), answer)
        }
    }

    private class Span(val value: Double, val start: Int, val end: Int, val score: Double = 0.0)

    /** Looks at every span of every window, the sums by their definition. */
    private fun tryAll(windows: List<Window>, logits: Map<Window, Outputs>, maxTokens: Int): Span {
        val spans = windows.flatMap { window ->
            val start = contextOf(window, logits.getValue(window).getValue(START_LOGITS))
            val end = contextOf(window, logits.getValue(window).getValue(END_LOGITS))
            start.indices.flatMap { first ->
                (first until minOf(start.size, first + maxTokens)).map { last ->
                    Span(start[first] + end[last], window.start(first), window.end(last))
                }
            }
        }
        fun all(role: String) =
            windows.flatMap { contextOf(it, logits.getValue(it).getValue(role)) }
        val (starts, ends) = all(START_LOGITS) to all(END_LOGITS)
        val best = checkNotNull(spans.maxByOrNull { it.value }) // the first of equal ones
        val score = exp(best.value - ln(starts.sumOf(::exp)) - ln(ends.sumOf(::exp)))
        return Span(best.value, best.start, best.end, score)
    }

    private fun contextOf(window: Window, logits: FloatArray): List<Double> =
        List(window.numContextTokens) { logits[window.first + it].toDouble() }

    private fun cut(numContext: Int, rules: SpanRules): Pair<String, List<Window>> {
        val context = "a ".repeat(numContext)
        val tokens = numbered(numContext, from = 4)
        val cutter = WindowCutter(rules, SPECIAL_IDS)
        val windows = cutter.cut(numbered(2, from = 4), tokens, seqLens = listOf(8, 16))
        return context to windows
    }

    private fun logitsFor(windows: List<Window>, values: List<Float>): Map<Window, Outputs> {
        var next = 0
        fun row(window: Window) = FloatArray(window.row.seqLen) { values[next++ % values.size] }
        return windows.associateWith { logits(row(it), row(it)) }
    }
}

/** Returns the answer of windows, as the task finds it. */
internal fun decode(
    rules: SpanRules,
    context: String,
    windows: List<Window>,
    outputsOf: (Window) -> Outputs,
): Answer? {
    val asked = AskedQuestion(context, windows, rules)
    windows.forEachIndexed { place, window -> asked.add(place, outputsOf(window)) }
    return asked.answer()
}

/** Returns outputs of the roles that question answering reads. */
internal fun logits(start: FloatArray, end: FloatArray): Outputs =
    mapOf(START_LOGITS to start, END_LOGITS to end)
