package org.pocketbert.core

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable

/** Everything about a bundle but the bytes of its files; `manifest.schema.json` describes it. */
@Serializable
data class Manifest(
    @SerialName("schema_version") val schemaVersion: String,
    @SerialName("pocketbert_version") val pocketbertVersion: String,
    val student: Student,
    val tokenizer: TokenizerSettings,
    val task: TaskDescription,
    val artifacts: List<Artifact>,
    @SerialName("task_library") val taskLibrary: Artifact? = null,
    val thresholds: Map<String, Map<String, Double>>,
    val verdicts: List<Verdict>,
    val versions: Map<String, String>,
    val licences: Map<String, String>,
    val platforms: Map<String, List<String>>,
    val files: Map<String, String>,
)

/** The student that the artifacts were made from. */
@Serializable
data class Student(
    val name: String,
    val architecture: String,
    @SerialName("weights_sha256") val weightsSha256: String,
    val licence: String,
)

/** How text becomes ids: BERT's WordPiece, its settings, and its files inside the bundle. */
@Serializable
data class TokenizerSettings(
    val kind: String,
    @SerialName("clean_text") val cleanText: Boolean,
    @SerialName("handle_chinese_chars") val handleChineseChars: Boolean,
    @SerialName("strip_accents") val stripAccents: Boolean,
    val lowercase: Boolean,
    @SerialName("continuing_subword_prefix") val continuingSubwordPrefix: String,
    @SerialName("max_input_chars_per_word") val maxInputCharsPerWord: Int,
    @SerialName("special_tokens") val specialTokens: Map<String, Int>,
    @SerialName("added_tokens") val addedTokens: Map<String, Int>,
    @SerialName("normalized_added_tokens")
    val normalizedAddedTokens: Map<String, Int> = emptyMap(),
    @SerialName("num_pieces") val numPieces: Int,
    @SerialName("second_token_type") val secondTokenType: Int = 1,
    val vocabulary: String,
    @SerialName("unicode_tables") val unicodeTables: String,
)

/**
 * What the student answers, and by which rules.
 *
 * @property name such as `question-answering`.
 * @property rules which there are, and their bounds, the task says.
 * @property labels of a classifier, by their place in its output.
 */
@Serializable
data class TaskDescription(
    val name: String,
    val rules: Map<String, TaskValue>,
    val labels: List<String>,
)

/** An input or output: its role, and the name or position that the artifact knows it by. */
@Serializable
data class TensorDescription(
    val name: String,
    @SerialName("artifact_name") val artifactName: String,
    val dtype: String,
)

/** One artifact. At `seqLens[i]`, call `entryPoints[i]`; shapes are `(1, seqLen)`. */
@Serializable
data class Artifact(
    val backend: String,
    val precision: String,
    val path: String,
    @SerialName("size_bytes") val sizeBytes: Long,
    @SerialName("seq_lens") val seqLens: List<Int>,
    @SerialName("entry_points") val entryPoints: List<String>,
    val requires: Map<String, String>,
    val inputs: List<TensorDescription>,
    val outputs: List<TensorDescription>,
    val activations: String = "dynamic",
    @SerialName("compute_units") val computeUnits: String? = null,
)

/** What the parity check said of one artifact in one runtime at one length. */
@Serializable
data class Verdict(
    val backend: String,
    val runtime: String,
    @SerialName("seq_len") val seqLen: Int,
    val verdict: String,
    val reason: String,
)
