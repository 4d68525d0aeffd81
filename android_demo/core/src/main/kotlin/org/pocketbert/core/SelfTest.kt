package org.pocketbert.core

import kotlin.math.abs

/**
 * The test of a bundle on the device that it is on, with what its `vectors.json` holds.
 *
 * First the tokenizer, the windows and the decoder, which need no engine; then each engine. So a
 * failure says where to look.
 *
 * @throws DamagedBundleException that file cannot be read.
 */
class SelfTest(bundle: Bundle, tokenizer: Tokenizer = bundle.tokenizer) {
    private val rules = bundle.manifest.spanRules
    private val settings = bundle.manifest.tokenizer
    private val vectors = readVectors(bundle)
    private val reading = ReadingTest(
        vectors,
        tokenizer,
        WindowCutter(rules, settings.specialTokens, settings.secondTokenType),
        rules,
    )

    /** Returns in words what the tokenizer, the windows or the decoder make otherwise. */
    fun checkReading(): List<String> = reading.problems()

    /**
     * Asks an engine all questions.
     *
     * @param checkpoint is called before each window; what it throws ends the test.
     * @throws EngineException the engine failed.
     * @throws DamagedBundleException nothing is known of the engine's artifact.
     */
    fun checkEngine(engine: Engine, checkpoint: () -> Unit = {}): EngineResult {
        val path = engine.artifact.path
        val tolerance = vectors.tolerances[path]
            ?: throw DamagedBundleException(VECTORS, "$VECTORS has no tolerance for $path")
        val asked = vectors.questions.map { vector ->
            AskedQuestion(vector, reading.windows(vector), rules).apply { ask(engine, checkpoint) }
        }
        val judged = asked.filterNot { path in it.vector.otherAnswerIn }
        return EngineResult(
            maxAbsDiff = asked.maxOfOrNull { it.maxAbsDiff } ?: 0.0,
            tolerance = tolerance,
            numSame = judged.count { it.isSame },
            numAsked = judged.size,
            problems = asked.filter { it.maxAbsDiff > tolerance }.map { it.difference(tolerance) } +
                judged.filterNot { it.isSame }.map { it.otherAnswer() },
        )
    }
}

/**
 * What became of one engine.
 *
 * @property maxAbsDiff the largest difference of a logit from the student's.
 * @property tolerance of that difference.
 * @property numSame questions with the student's answer, of [numAsked]: those that are to have it.
 * @property problems in words, what is wrong; empty is good.
 */
class EngineResult(
    val maxAbsDiff: Double,
    val tolerance: Double,
    val numSame: Int,
    val numAsked: Int,
    val problems: List<String>,
)

/** A question of the vectors, and what an engine makes of it. */
private class AskedQuestion(
    val vector: QuestionVector,
    private val windows: List<Window>,
    private val rules: SpanRules,
) {
    private var answer: Answer? = null

    /** Of a logit from the student's; infinite where one is no number. */
    var maxAbsDiff = 0.0
        private set

    val isSame: Boolean get() = answer?.isSpanOf(vector) == true

    fun ask(engine: Engine, checkpoint: () -> Unit) {
        var index = 0
        answer = BestSpanDecoder(rules).decode(vector.context, windows) { window ->
            checkpoint()
            engine.logitsOf(window).also { compare(it, vector.windows.getOrNull(index++)) }
        }
    }

    fun difference(tolerance: Double): String =
        "logits of “${vector.question}” differ by $maxAbsDiff, the tolerance is $tolerance"

    fun otherAnswer(): String =
        "it answers “${vector.question}” with “${answer?.text}”, expected “${vector.answer.text}”"

    private fun compare(logits: Logits, stated: WindowVector?) {
        if (stated == null) return note(Double.NaN) // the tokenizer cuts other windows
        compare(logits.start, stated.startLogits)
        compare(logits.end, stated.endLogits)
    }

    private fun compare(found: FloatArray, stated: List<Double?>) {
        stated.forEachIndexed { place, logit ->
            if (logit != null) note(abs((found.getOrNull(place) ?: Float.NaN) - logit))
        }
    }

    private fun note(difference: Double) {
        val known = if (difference.isNaN()) Double.POSITIVE_INFINITY else difference
        maxAbsDiff = maxOf(maxAbsDiff, known)
    }
}
