package org.pocketbert.core

import kotlin.math.abs

/**
 * The test of a bundle on the device that it is on, with what its `vectors.json` holds, whatever
 * its task is.
 *
 * First the tokenizer, the rows and the decoder, which need no engine; then each engine. So a
 * failure says where to look.
 *
 * @throws DamagedBundleException that file cannot be read.
 */
class SelfTest(bundle: Bundle, tokenizer: Tokenizer = bundle.tokenizer) {
    private val task = bundle.task
    private val vectors = readVectors(bundle)
    private val reading = ReadingTest(vectors, tokenizer, task)

    /** Returns in words what the tokenizer, the rows or the decoder make otherwise. */
    fun checkReading(): List<String> = reading.problems()

    /**
     * Gives an engine all examples.
     *
     * @param checkpoint is called before each row; what it throws ends the test.
     * @throws EngineException the engine failed.
     * @throws DamagedBundleException nothing is known of the engine's artifact.
     */
    fun checkEngine(engine: Engine, checkpoint: () -> Unit = {}): EngineResult {
        val path = engine.artifact.path
        val tolerance = vectors.tolerances[path]
            ?: throw DamagedBundleException(VECTORS, "$VECTORS has no tolerance for $path")
        val given = vectors.examples.map { GivenExample(it, reading.exampleOf(it)) }
        for (each in given) {
            each.run { row ->
                checkpoint()
                engine.outputsOf(row, task)
            }
        }
        val judged = given.filterNot { path in it.vector.otherAnswerIn }
        val (same, other) = judged.partition { reading.isSame(it.fields, it.vector) }
        return EngineResult(
            maxAbsDiff = given.maxOfOrNull { it.maxAbsDiff } ?: 0.0,
            tolerance = tolerance,
            numSame = same.size,
            numAsked = judged.size,
            problems = given.filter { it.maxAbsDiff > tolerance }.map { it.difference(tolerance) } +
                other.map { it.otherAnswer() },
        )
    }
}

/**
 * What became of one engine.
 *
 * @property maxAbsDiff the largest difference of an output from the student's.
 * @property tolerance of that difference.
 * @property numSame examples with the student's answer, of [numAsked]: those that are to have it.
 * @property problems in words, what is wrong; empty is good.
 */
class EngineResult(
    val maxAbsDiff: Double,
    val tolerance: Double,
    val numSame: Int,
    val numAsked: Int,
    val problems: List<String>,
)

/** An example of the vectors, and what an engine makes of it. */
private class GivenExample(val vector: ExampleVector, private val example: TaskExample?) {
    /** From the student's outputs; infinite where one is no number, or the rows are others. */
    var maxAbsDiff = if (example == null) Double.POSITIVE_INFINITY else 0.0
        private set

    val fields: Map<String, TaskValue>? get() = example?.fields()

    fun run(outputsOf: (Row) -> Outputs) {
        example?.rows?.forEachIndexed { place, row ->
            val outputs = outputsOf(row)
            example.add(place, outputs)
            compare(outputs, vector.rows.getOrNull(place))
        }
    }

    fun difference(tolerance: Double): String =
        "outputs of “${vector.name}” differ by $maxAbsDiff, the tolerance is $tolerance"

    fun otherAnswer(): String =
        "it answers “${vector.name}” with ${inWords(fields)}, expected ${inWords(vector.answer)}"

    /** Returns the fields of an answer, in the order of their names. */
    private fun inWords(answer: Map<String, TaskValue?>?): String =
        answer?.toSortedMap()?.entries?.joinToString { "${it.key} ${it.value}" } ?: "nothing"

    private fun compare(outputs: Outputs, row: RowVector?) {
        if (row == null) return note(Double.NaN) // the tokenizer makes other rows
        for ((name, stated) in row.outputs) {
            stated.forEachIndexed { place, number ->
                if (number != null) {
                    note(abs((outputs[name]?.getOrNull(place) ?: Float.NaN) - number))
                }
            }
        }
    }

    private fun note(difference: Double) {
        val known = if (difference.isNaN()) Double.POSITIVE_INFINITY else difference
        maxAbsDiff = maxOf(maxAbsDiff, known)
    }
}
