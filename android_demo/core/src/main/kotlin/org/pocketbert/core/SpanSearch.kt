package org.pocketbert.core

import kotlin.math.exp
import kotlin.math.ln

/** The best span of the windows that were added so far; of equal ones the first. */
internal class SpanSearch(private val maxTokens: Int) {
    private var starts = DoubleArray(0)
    private var ends = DoubleArray(0)
    private val sumOfStarts = LogSumExp()
    private val sumOfEnds = LogSumExp()
    private var best = Double.NEGATIVE_INFINITY
    private var start = 0
    private var end = 0

    /** @param outputs logits of every place of the row. */
    fun add(window: Window, outputs: Outputs) {
        val numTokens = window.row.numTokens
        if (numTokens > starts.size) {
            starts = DoubleArray(window.row.seqLen)
            ends = DoubleArray(window.row.seqLen)
        }
        val (start, end) = outputs.getValue(START_LOGITS) to outputs.getValue(END_LOGITS)
        for (place in 0 until numTokens) {
            starts[place] = start[place].toDouble()
            ends[place] = end[place].toDouble()
        }
        add(window, starts, ends)
    }

    /** @param startLogits of every token of the row, or more; so are the others. */
    fun add(window: Window, startLogits: DoubleArray, endLogits: DoubleArray) {
        val end = window.first + window.numContextTokens
        for (place in window.first until end) {
            sumOfStarts.add(startLogits[place])
            sumOfEnds.add(endLogits[place])
        }
        for (first in window.first until end) {
            for (last in first until minOf(end, first + maxTokens)) {
                val value = startLogits[first] + endLogits[last]
                if (value > best) take(value, window, first, last)
            }
        }
    }

    /** Returns the answer, or null where a logit was not a finite number. */
    fun answer(context: String): Answer? {
        val score = exp(best - sumOfStarts.value - sumOfEnds.value)
        if (score.isNaN()) return null
        return Answer(text = context.substring(start, end), start = start, end = end, score = score)
    }

    private fun take(value: Double, window: Window, first: Int, last: Int) {
        best = value
        start = window.start(first - window.first)
        end = window.end(last - window.first)
    }
}

/** The logarithm of a sum of exponentials; not a number if one is not a finite number. */
private class LogSumExp {
    private var largest = Double.NEGATIVE_INFINITY
    private var sum = 0.0

    val value: Double get() = largest + ln(sum)

    fun add(logit: Double) {
        when {
            !logit.isFinite() -> sum = Double.NaN
            logit <= largest -> sum += exp(logit - largest)
            else -> {
                sum = sum * exp(largest - logit) + 1
                largest = logit
            }
        }
    }
}
