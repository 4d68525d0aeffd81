package org.pocketbert.core

/** A number for each code point, 0 unless it was set. Pages of equal numbers are held once. */
internal class CodePointMap private constructor(private val pages: Array<IntArray>) {
    operator fun get(point: Int): Int = pages[point ushr PAGE_BITS][point and PAGE_MASK]

    class Builder {
        private val pages = arrayOfNulls<IntArray>(NUM_PAGES)

        /** Sets bits of every code point from the first to the last. */
        fun setBits(first: Int, last: Int, bits: Int) {
            for (point in first..last) {
                val page = point ushr PAGE_BITS
                val numbers = pages[page] ?: IntArray(PAGE_SIZE).also { pages[page] = it }
                numbers[point and PAGE_MASK] = numbers[point and PAGE_MASK] or bits
            }
        }

        fun build(): CodePointMap {
            val empty = IntArray(PAGE_SIZE)
            val known = HashMap<List<Int>, IntArray>()
            return CodePointMap(
                Array(NUM_PAGES) { index ->
                    pages[index]?.let { page -> known.getOrPut(page.asList()) { page } } ?: empty
                },
            )
        }
    }

    private companion object {
        const val PAGE_BITS = 8
        const val PAGE_SIZE = 1 shl PAGE_BITS
        const val PAGE_MASK = PAGE_SIZE - 1
        const val NUM_PAGES = (LAST_CODE_POINT + 1) ushr PAGE_BITS
    }
}

internal const val LAST_CODE_POINT = 0x10FFFF
