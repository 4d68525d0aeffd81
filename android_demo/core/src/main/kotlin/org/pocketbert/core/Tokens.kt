package org.pocketbert.core

/** Tokens of one text, in its order: their ids, and where they stand in UTF-16 units. */
class Tokens internal constructor() {
    var size = 0
        private set

    fun id(index: Int): Int = TODO("$index")

    /** Where a token begins in the text. */
    fun start(index: Int): Int = TODO("$index")

    /** Where a token ends in the text, not included. */
    fun end(index: Int): Int = TODO("$index")
}
