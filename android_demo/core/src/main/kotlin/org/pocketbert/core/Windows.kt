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
 * @param secondTokenType of the context and its `[SEP]`, as the manifest has it.
 */
internal class WindowCutter(
    private val rules: SpanRules,
    specialTokens: Map<String, Int>,
    secondTokenType: Int = 1,
) {
    private val maker = RowMaker(specialTokens, secondTokenType)

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
        val asked = TokenPart(question, 0, numAsked)
        return windowStarts(context.size, room, rules.windowOverlapTokens).map { start ->
            val part = TokenPart(context, start, minOf(start + room, context.size))
            Window(
                row = maker.row(listOf(asked, part), seqLens),
                first = numAsked + 2,
                numContextTokens = part.size,
                context = context,
                contextStart = start,
            )
        }
    }
}
