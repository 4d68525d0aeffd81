package org.pocketbert.core

/** Tokens that every manifest gives an id. */
internal object SpecialTokens {
    const val PAD = "[PAD]"
    const val UNKNOWN = "[UNK]"
    const val CLS = "[CLS]"
    const val SEP = "[SEP]"

    val ALL = listOf(PAD, UNKNOWN, CLS, SEP)
}
