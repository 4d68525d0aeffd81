package org.pocketbert.core

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json

/** What a bundle's self test compares with; `vectors.schema.json` describes it. */
@Serializable
internal class Vectors(
    val texts: List<TextVector>,
    @SerialName("seq_lens") val seqLens: List<Int>,
    val questions: List<QuestionVector>,
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

/** A question, its windows and its answer. */
@Serializable
internal class QuestionVector(
    val question: String,
    val context: String,
    val windows: List<WindowVector>,
    val answer: AnswerVector,
    @SerialName("other_answer_in") val otherAnswerIn: List<String>,
)

/** A row without its padding, and what the student makes of it; offsets in code points. */
@Serializable
internal class WindowVector(
    @SerialName("seq_len") val seqLen: Int,
    @SerialName("input_ids") val inputIds: List<Int>,
    val offsets: List<List<Int>>,
    @SerialName("start_logits") val startLogits: List<Double?>,
    @SerialName("end_logits") val endLogits: List<Double?>,
)

/** The student's answer. */
@Serializable
internal class AnswerVector(
    val text: String,
    val start: Int,
    val end: Int,
    @SerialName("utf16_start") val utf16Start: Int,
    @SerialName("utf16_end") val utf16End: Int,
    val score: Double?,
)

internal const val VECTORS = "vectors.json"

/** @throws DamagedBundleException the bundle has none, or they cannot be read. */
internal fun readVectors(bundle: Bundle): Vectors {
    val bytes = bundle.read(VECTORS)
    return parsing(VECTORS) { json.decodeFromString(decode(bytes)) }
}

private val json = Json { ignoreUnknownKeys = true }
