package org.pocketbert.core

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json

/** What a bundle's self test compares with; `vectors.schema.json` describes it. */
@Serializable
internal class Vectors(
    val texts: List<TextVector>,
    @SerialName("seq_lens") val seqLens: List<Int>,
    val examples: List<ExampleVector>,
    val tolerances: Map<String, Double>,
)

/** A text and its tokens; offsets in code points and in UTF-16 units. */
@Serializable
internal class TextVector(
    val text: String,
    val ids: List<Int>,
    val offsets: List<List<Int>>,
    @SerialName("utf16_offsets") val utf16Offsets: List<List<Int>>,
)

/**
 * An example, its rows and the student's answer.
 *
 * @property texts by the names that the task gives.
 * @property answer by the names of its fields; null where the student gave no number.
 * @property otherAnswerIn artifacts that were seen to answer otherwise when the bundle was built.
 */
@Serializable
internal data class ExampleVector(
    val texts: Map<String, String>,
    val rows: List<RowVector>,
    val answer: Map<String, TaskValue?>,
    @SerialName("other_answer_in") val otherAnswerIn: List<String>,
) {
    /** What people know it by: the shortest of its texts. */
    val name: String get() = texts.values.minBy { it.length }
}

/**
 * A row without its padding, and what the student makes of it; offsets in code points.
 *
 * @property outputs by their names; null where the student gave no number.
 */
@Serializable
internal class RowVector(
    @SerialName("seq_len") val seqLen: Int,
    @SerialName("input_ids") val inputIds: List<Int>,
    val offsets: List<List<Int>> = emptyList(),
    val outputs: Map<String, List<Double?>>,
)

internal const val VECTORS = "vectors.json"

/** @throws DamagedBundleException the bundle has none, or they cannot be read. */
internal fun readVectors(bundle: Bundle): Vectors {
    val bytes = bundle.read(VECTORS)
    return parsing(VECTORS) {
        json.decodeFromString<Vectors>(decode(bytes)).also { checkVectors(it, bundle.task) }
    }
}

/** Refuses what the task cannot make anything of. */
private fun checkVectors(vectors: Vectors, task: Task) {
    require(vectors.seqLens.isNotEmpty()) { "it has no lengths" }
    checkRoom(task, vectors.seqLens, "it")
    for (example in vectors.examples) {
        for (name in task.texts) require(name in example.texts) { "an example has no text $name" }
        for (row in example.rows) {
            for (output in task.outputs) {
                val numbers = row.outputs[output.name]
                require(numbers?.size == output.count(row.inputIds.size)) {
                    "a row has ${numbers?.size} numbers of ${output.name}, which is not what it wants"
                }
            }
        }
    }
}

private val json = Json { ignoreUnknownKeys = true }
