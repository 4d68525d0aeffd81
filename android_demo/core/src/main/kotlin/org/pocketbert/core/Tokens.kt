package org.pocketbert.core

/** Tokens of one text, in its order: their ids, and where they stand in UTF-16 units. */
class Tokens internal constructor(expected: Int) {
    private var ids = IntArray(expected)
    private var starts = IntArray(expected)
    private var ends = IntArray(expected)

    var size = 0
        private set

    fun id(index: Int): Int = ids[index]

    /** Where a token begins in the text. */
    fun start(index: Int): Int = starts[index]

    /** Where a token ends in the text, not included. */
    fun end(index: Int): Int = ends[index]

    internal fun add(id: Int, start: Int, end: Int) {
        if (size == ids.size) grow()
        ids[size] = id
        starts[size] = start
        ends[size] = end
        size++
    }

    /** Forgets tokens from a place on. */
    internal fun cutTo(newSize: Int) {
        size = newSize
    }

    internal fun copyIds(into: IntArray, at: Int, from: Int, until: Int) {
        ids.copyInto(into, destinationOffset = at, startIndex = from, endIndex = until)
    }

    private fun grow() {
        val larger = size + size / 2 + 16
        ids = ids.copyOf(larger)
        starts = starts.copyOf(larger)
        ends = ends.copyOf(larger)
    }
}
