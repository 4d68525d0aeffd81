package org.pocketbert.core

/**
 * One row of input: `[CLS] question [SEP] part of the context [SEP]`, padded.
 *
 * @property inputIds as many as the row is long; so are the others.
 * @property attentionMask 1 for tokens, 0 for padding.
 * @property tokenTypeIds 1 for the context and its `[SEP]`, else 0; for models that take them.
 * @property numTokens of the row, padding left out.
 * @property first position of the first context token in the row.
 * @property numContextTokens in this row.
 */
class Window internal constructor(
    val inputIds: IntArray,
    val attentionMask: IntArray,
    val tokenTypeIds: IntArray,
    val numTokens: Int,
    val first: Int,
    val numContextTokens: Int,
) {
    val seqLen: Int get() = inputIds.size
}
