package org.pocketbert.core

/** Picks the answer from what a model makes of each window. */
fun interface SpanDecoder {
    /**
     * Returns the answer, or nothing where a logit of the context is not a finite number.
     *
     * @param context the text that the windows were cut from.
     * @param logitsOf gives the logits of a window; called once for each, in order.
     */
    fun decode(context: String, windows: List<Window>, logitsOf: (Window) -> Logits): Answer?
}

/** Takes the span of the largest sum of logits, as the specification says. */
class BestSpanDecoder(private val rules: SpanRules) : SpanDecoder {
    override fun decode(
        context: String,
        windows: List<Window>,
        logitsOf: (Window) -> Logits,
    ): Answer? {
        val search = SpanSearch(rules.maxAnswerTokens)
        for (window in windows) search.add(window, logitsOf(window))
        return search.answer(context)
    }
}
