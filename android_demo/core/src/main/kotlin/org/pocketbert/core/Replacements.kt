package org.pocketbert.core

/** What some characters become; every other stays as it is. */
internal class Replacements private constructor(
    private val places: CodePointMap,
    private val made: IntArray,
) {
    /** Calls an action with each character that one becomes, and its place among them. */
    inline fun forEach(point: Int, action: (made: Int, place: Int) -> Unit) {
        val start = placeOf(point)
        if (start == 0) return action(point, 0)
        for (place in 0 until made(start - 1)) action(made(start + place), place)
    }

    /** Where what a character becomes begins in [made], behind its length; 0 for most. */
    fun placeOf(point: Int): Int = places[point]

    fun made(index: Int): Int = made[index]

    companion object {
        /** @param rows a character and what it becomes; in ascending order. */
        fun of(rows: List<IntArray>): Replacements {
            val places = CodePointMap.Builder()
            val made = IntArray(rows.sumOf { it.size })
            var end = 0
            for (row in rows) {
                made[end] = row.size - 1
                row.copyInto(made, destinationOffset = end + 1, startIndex = 1)
                places.setBits(row[0], row[0], end + 1)
                end += row.size
            }
            return Replacements(places.build(), made)
        }
    }
}
