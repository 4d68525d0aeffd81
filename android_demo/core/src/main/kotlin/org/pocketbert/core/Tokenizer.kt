package org.pocketbert.core

/** Cuts a text into tokens. Threads may share one. */
fun interface Tokenizer {
    /**
     * Returns the tokens of a text, without special ones around it.
     *
     * @param text holds no half of a surrogate pair.
     */
    fun tokenize(text: String): Tokens
}
