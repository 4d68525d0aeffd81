package org.pocketbert.core

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable

/** `settings.json` of the vectors. */
@Serializable
class Settings(val tokenizer: TokenizerSettings, val task: TaskDescription)

internal val Settings.spanRules: SpanRules get() = spanRules(Rules(task.rules))

/** `texts.json`. */
@Serializable
internal class TextsFile(val texts: List<TextVector>)

/** `answers.json`. */
@Serializable
internal class AnswersFile(val answers: List<AnsweredQuestion>)

/** `artifact-logits.json`: what an artifact gave in Python, and the answers of Python's decoder. */
@Serializable
internal class ArtifactLogitsFile(val runs: List<ArtifactRun>)

@Serializable
internal class ArtifactRun(val artifact: String, val answers: List<AnsweredQuestion>)

/** A question with all that follows of it. */
@Serializable
internal class AnsweredQuestion(
    val question: String,
    val context: String,
    @SerialName("seq_lens") val seqLens: List<Int>,
    val windows: List<AnsweredWindow>,
    val answer: StatedAnswer,
)

@Serializable
internal class AnsweredWindow(
    @SerialName("input_ids") val inputIds: List<Int>,
    @SerialName("attention_mask") val attentionMask: List<Int> = emptyList(),
    @SerialName("token_type_ids") val tokenTypeIds: List<Int> = emptyList(),
    val first: Int = 0,
    val offsets: List<List<Int>> = emptyList(),
    @SerialName("start_logits") val startLogits: DoubleArray,
    @SerialName("end_logits") val endLogits: DoubleArray,
)

@Serializable
internal class StatedAnswer(
    val text: String,
    @SerialName("utf16_start") val start: Int,
    @SerialName("utf16_end") val end: Int,
    val score: Double,
)
