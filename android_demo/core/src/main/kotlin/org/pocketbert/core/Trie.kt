package org.pocketbert.core

/**
 * Strings and their ids as a tree of code points, so that the longest that stands at a place is
 * found in one walk, and no part of the text is copied.
 *
 * Edges lie in a table of hashes: from a node and a code point to the next node.
 */
internal class Trie(strings: Map<String, Int>) {
    private val ids: IntArray
    private val keys: LongArray
    private val nodes: IntArray

    init {
        val mostNodes = 1 + strings.keys.sumOf { it.codePointCount(0, it.length) }
        val numSlots = Integer.highestOneBit(mostNodes) shl 2
        ids = IntArray(mostNodes) { NONE }
        keys = LongArray(numSlots) { FREE }
        nodes = IntArray(numSlots)
        var numNodes = 1
        for ((string, id) in strings) {
            var node = ROOT
            string.forEachCodePoint { point, _ ->
                val slot = slotOf(node, point)
                if (keys[slot] == FREE) {
                    keys[slot] = key(node, point)
                    nodes[slot] = numNodes++
                }
                node = nodes[slot]
            }
            ids[node] = id
        }
    }

    /** Returns the node behind an edge, or [NONE]. */
    fun next(node: Int, point: Int): Int {
        val slot = slotOf(node, point)
        return if (keys[slot] == FREE) NONE else nodes[slot]
    }

    /** Returns the node that a string leads to, or [NONE]. */
    fun find(string: String): Int {
        var node = ROOT
        string.forEachCodePoint { point, _ -> if (node != NONE) node = next(node, point) }
        return node
    }

    /** Returns the id of the string that ends at a node, or [NONE]. */
    fun idAt(node: Int): Int = ids[node]

    private fun slotOf(node: Int, point: Int): Int {
        val key = key(node, point)
        val mask = keys.size - 1
        var slot = (key * MULTIPLIER ushr HASH_SHIFT).toInt() and mask
        while (keys[slot] != key && keys[slot] != FREE) slot = slot + 1 and mask
        return slot
    }

    private fun key(node: Int, point: Int): Long = node.toLong() shl POINT_BITS or point.toLong()

    companion object {
        const val ROOT = 0
        const val NONE = -1
        private const val FREE = -1L
        private const val POINT_BITS = 21

        // Fibonacci hashing: 2^64 divided by the golden ratio spreads keys that are close together.
        private const val MULTIPLIER = -7046029254386353131L
        private const val HASH_SHIFT = 33
    }
}
