package org.pocketbert.core

import kotlin.math.abs

/** The part of the self test that needs no engine: tokenizer, windows and decoder. */
internal class ReadingTest(
    private val vectors: Vectors,
    private val tokenizer: Tokenizer,
    private val cutter: WindowCutter,
    private val rules: SpanRules,
) {
    /** Returns in words what is made otherwise. */
    fun problems(): List<String> =
        vectors.texts.filterNot(::hasSameTokens).map { "the text “${it.text}” has other tokens" } +
            vectors.questions.mapNotNull(::problemOf)

    /** Returns the rows of a question. */
    fun windows(vector: QuestionVector): List<Window> = cutter.cut(
        tokenizer.tokenize(vector.question),
        tokenizer.tokenize(vector.context),
        vectors.seqLens,
    )

    private fun hasSameTokens(vector: TextVector): Boolean {
        val tokens = tokenizer.tokenize(vector.text)
        val places = CodePointPlaces(vector.text)
        val all = 0 until tokens.size
        return all.map(tokens::id) == vector.ids &&
            all.map { listOf(tokens.start(it), tokens.end(it)) } == vector.utf16Offsets &&
            all.map { listOf(places[tokens.start(it)], places[tokens.end(it)]) } == vector.offsets
    }

    private fun problemOf(vector: QuestionVector): String? {
        val windows = windows(vector)
        return when {
            !areSame(windows, vector) -> "the question “${vector.question}” has other windows"
            !isDecodedAlike(windows, vector) ->
                "the logits of “${vector.question}” have another answer"
            else -> null
        }
    }

    private fun areSame(windows: List<Window>, vector: QuestionVector): Boolean {
        val places = CodePointPlaces(vector.context)
        return windows.size == vector.windows.size &&
            windows.zip(vector.windows).all { (own, stated) ->
                val offsets = (0 until own.numContextTokens)
                    .map { listOf(places[own.start(it)], places[own.end(it)]) }
                own.seqLen == stated.seqLen &&
                    own.inputIds.take(own.numTokens) == stated.inputIds &&
                    offsets == stated.offsets
            }
    }

    private fun isDecodedAlike(windows: List<Window>, vector: QuestionVector): Boolean {
        // The student itself may have given no numbers, which its verdicts tell.
        val score = vector.answer.score ?: return true
        val search = SpanSearch(rules.maxAnswerTokens)
        windows.zip(vector.windows).forEach { (window, stated) ->
            search.add(window, numbers(stated.startLogits), numbers(stated.endLogits))
        }
        val answer = search.answer(vector.context) ?: return false
        return answer.isSpanOf(vector) && abs(answer.score - score) <= SCORE_TOLERANCE
    }

    private fun numbers(values: List<Double?>): DoubleArray =
        DoubleArray(values.size) { values[it] ?: Double.NaN }

    private companion object {
        /** Of a probability: the logits in the file have four decimals. */
        const val SCORE_TOLERANCE = 1e-3
    }
}

/** Returns whether an answer is what the vector states, its score aside. */
internal fun Answer.isSpanOf(vector: QuestionVector): Boolean {
    val stated = vector.answer
    return text == stated.text && start == stated.utf16Start && end == stated.utf16End
}
