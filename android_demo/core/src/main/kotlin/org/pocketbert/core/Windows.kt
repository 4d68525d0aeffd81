package org.pocketbert.core

/** Of a row: `[CLS]` before the question, and `[SEP]` behind it and behind the context. */
internal const val NUM_SPECIAL = 3

/**
 * One row: `[CLS] question [SEP] part of the context [SEP]`, and where its tokens stand in the
 * context.
 *
 * @property first position of the first context token in the row.
 * @property numContextTokens in this row.
 */
internal class Window(
    val row: Row,
    val first: Int,
    val numContextTokens: Int,
    private val context: Tokens,
    private val contextStart: Int,
) {
    /** Where a context token of this row begins in the context, in UTF-16 units. */
    fun start(contextToken: Int): Int = context.start(contextStart + contextToken)

    /** Where it ends, not included. */
    fun end(contextToken: Int): Int = context.end(contextStart + contextToken)
}

/**
 * Cuts a question and its context into windows that cover the context.
 *
 * @property secondTokenType of the context and its `[SEP]`, as the manifest has it.
 */
internal class WindowCutter(
    private val rules: SpanRules,
    specialTokens: Map<String, Int>,
    private val secondTokenType: Int = 1,
) {
    private val cls = specialTokens.getValue(SpecialTokens.CLS)
    private val sep = specialTokens.getValue(SpecialTokens.SEP)
    private val pad = specialTokens.getValue(SpecialTokens.PAD)

    /**
     * Returns windows, each at the smallest length that holds it.
     *
     * @param seqLens the artifact's lengths, ascending.
     */
    fun cut(question: Tokens, context: Tokens, seqLens: List<Int>): List<Window> {
        val longest = seqLens.last()
        val numAsked =
            minOf(question.size, rules.maxQuestionTokens, (longest - NUM_SPECIAL) / 2)
        val room = longest - NUM_SPECIAL - numAsked
        val step = room - minOf(rules.windowOverlapTokens, room / 2)
        val last = maxOf(0, context.size - room)
        val starts = (0 until last step step) + last
        return starts.map { start ->
            row(question, numAsked, context, start, minOf(start + room, context.size), seqLens)
        }
    }

    private fun row(
        question: Tokens,
        numAsked: Int,
        context: Tokens,
        start: Int,
        end: Int,
        seqLens: List<Int>,
    ): Window {
        val first = numAsked + 2
        val numTokens = numAsked + NUM_SPECIAL + end - start
        val seqLen = seqLens.first { it >= numTokens }
        val ids = IntArray(seqLen)
        ids[0] = cls
        question.copyIds(into = ids, at = 1, from = 0, until = numAsked)
        ids[first - 1] = sep
        context.copyIds(into = ids, at = first, from = start, until = end)
        ids[numTokens - 1] = sep
        ids.fill(pad, fromIndex = numTokens)
        return Window(
            row = Row(
                inputIds = ids,
                attentionMask = IntArray(seqLen).apply { fill(1, 0, numTokens) },
                tokenTypeIds = IntArray(seqLen).apply { fill(secondTokenType, first, numTokens) },
                numTokens = numTokens,
            ),
            first = first,
            numContextTokens = end - start,
            context = context,
            contextStart = start,
        )
    }
}
