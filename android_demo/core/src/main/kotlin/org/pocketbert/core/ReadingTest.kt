package org.pocketbert.core

import kotlin.math.abs

/** The part of the self test that needs no engine: tokenizer, rows and decoder. */
internal class ReadingTest(
    private val vectors: Vectors,
    private val tokenizer: Tokenizer,
    private val task: Task,
) {
    /** Returns in words what is made otherwise. */
    fun problems(): List<String> =
        vectors.texts.filterNot(::hasSameTokens).map { "the text “${it.text}” has other tokens" } +
            vectors.examples.mapNotNull(::problemOf)

    /** Returns the rows of an example, or null where the tokenizer leaves of it what none can read. */
    fun exampleOf(vector: ExampleVector): TaskExample? = try {
        task.example(vector.texts, tokenizer, vectors.seqLens)
    } catch (_: UnreadableTextException) {
        null
    }

    /** Returns whether an answer is what the vector states, but for what may differ a little. */
    fun isSame(answer: Map<String, TaskValue>?, vector: ExampleVector): Boolean =
        answer != null && answer.keys == vector.answer.keys &&
            answer.all { (name, value) -> name in task.approximate || value == vector.answer[name] }

    private fun hasSameTokens(vector: TextVector): Boolean {
        val tokens = tokenizer.tokenize(vector.text)
        val places = CodePointPlaces(vector.text)
        val all = 0 until tokens.size
        return all.map(tokens::id) == vector.ids &&
            all.map { listOf(tokens.start(it), tokens.end(it)) } == vector.utf16Offsets &&
            all.map { listOf(places[tokens.start(it)], places[tokens.end(it)]) } == vector.offsets
    }

    private fun problemOf(vector: ExampleVector): String? {
        val example = exampleOf(vector)
        return when {
            example == null || !hasSameRows(example, vector) ->
                "the example “${vector.name}” has other rows"
            !isDecodedAlike(example, vector) ->
                "the outputs of “${vector.name}” have another answer"
            else -> null
        }
    }

    private fun hasSameRows(example: TaskExample, vector: ExampleVector): Boolean =
        example.rows.size == vector.rows.size &&
            example.rows.zip(vector.rows).withIndex().all { (place, pair) ->
                val (own, stated) = pair
                own.seqLen == stated.seqLen &&
                    own.inputIds.take(own.numTokens) == stated.inputIds &&
                    example.offsets(place) == stated.offsets
            }

    private fun isDecodedAlike(example: TaskExample, vector: ExampleVector): Boolean {
        // The student itself may have given no numbers, which its verdicts tell.
        if (null in vector.answer.values) return true
        vector.rows.forEachIndexed { place, row ->
            example.add(place, row.outputs.mapValues { numbers(it.value) })
        }
        val answer = example.fields()
        return isSame(answer, vector) && task.approximate.all {
            isNear(answer?.get(it)?.numbers, vector.answer[it]?.numbers)
        }
    }

    private fun isNear(own: List<Double>?, stated: List<Double>?): Boolean =
        own != null && own.size == stated?.size &&
            own.zip(stated).all { (one, other) -> abs(one - other) <= TOLERANCE }

    private fun numbers(values: List<Double?>): FloatArray =
        FloatArray(values.size) { values[it]?.toFloat() ?: Float.NaN }

    private companion object {
        /** Of a probability: the outputs in the file have four decimals. */
        const val TOLERANCE = 1e-3
    }
}
