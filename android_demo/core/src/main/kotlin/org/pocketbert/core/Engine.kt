package org.pocketbert.core

/** Runs one artifact. Not for two threads at once. */
interface Engine : AutoCloseable {
    val artifact: Artifact

    /**
     * Returns what the artifact makes of a row, which has one of its lengths.
     *
     * An engine may return the same arrays in each call.
     *
     * @throws EngineException the runtime failed.
     */
    fun run(row: Row): Outputs
}

/**
 * Numbers by the role of the output, as in `start_logits`: for each place of a row, padding
 * included, or for the row.
 */
typealias Outputs = Map<String, FloatArray>

/**
 * One row of input, padded to a length of the artifact.
 *
 * @property inputIds as many as the row is long; so are the others.
 * @property attentionMask 1 for tokens, 0 for padding.
 * @property tokenTypeIds the manifest's second type for the second text and its `[SEP]`, else 0;
 *   for models that take them.
 * @property numTokens padding left out.
 */
class Row(
    val inputIds: IntArray,
    val attentionMask: IntArray,
    val tokenTypeIds: IntArray,
    val numTokens: Int,
) {
    val seqLen: Int get() = inputIds.size
}

/** Opens the engine of one backend. */
interface EngineFactory {
    /** `executorch` or `tflite`, as the manifest calls it. */
    val backend: String

    /** What a person reads on the switch. */
    val label: String

    /**
     * Loads an artifact of this backend.
     *
     * @throws UnsupportedArtifactException it wants a newer runtime than this one.
     * @throws EngineException the runtime does not take it.
     */
    fun open(bundle: Bundle, artifact: Artifact): Engine
}
