package org.pocketbert.core

import org.pocketbert.core.UnreadableTextException.Reason

/** Refuses what a student cannot read, and says why. */
internal class TextCheck(
    private val maxCharacters: Int,
    private val maxUnknownShare: Double,
    private val unknownId: Int,
) {
    /**
     * Returns the tokens of a text.
     *
     * @throws UnreadableTextException it cannot be read.
     */
    fun read(part: TextPart, text: String, tokenizer: Tokenizer): Tokens {
        checkText(part, text)
        return tokenizer.tokenize(text).also { checkTokens(part, it) }
    }

    /**
     * Looks at a text before it is cut into tokens.
     *
     * @throws UnreadableTextException it is too long, or holds half of a surrogate pair.
     */
    fun checkText(part: TextPart, text: String) {
        val size = text.codePointCount(0, text.length)
        if (size > maxCharacters) {
            refuse(
                part,
                Reason.TOO_LONG,
                "has $size characters, and at most $maxCharacters are read",
            )
        }
        text.forEachCodePoint { point, start ->
            if (isSurrogate(point)) {
                refuse(part, Reason.NO_UNICODE, "is no valid Unicode: half of a pair at $start")
            }
        }
    }

    /**
     * Looks at the tokens of a text.
     *
     * @throws UnreadableTextException there is none, or too many are not in the vocabulary.
     */
    fun checkTokens(part: TextPart, tokens: Tokens) {
        if (tokens.size == 0) refuse(part, Reason.EMPTY, "holds no word that can be read")
        val numUnknown = (0 until tokens.size).count { tokens.id(it) == unknownId }
        if (numUnknown > maxUnknownShare * tokens.size) {
            refuse(part, Reason.UNKNOWN_SCRIPT, "is for the most part not in the vocabulary")
        }
    }

    private fun refuse(part: TextPart, reason: Reason, what: String): Nothing {
        val name = when (part) {
            TextPart.QUESTION -> "question"
            TextPart.CONTEXT -> "text"
            TextPart.SECOND -> "second text"
        }
        throw UnreadableTextException(part, reason, "the $name $what")
    }
}
