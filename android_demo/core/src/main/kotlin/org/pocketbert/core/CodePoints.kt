package org.pocketbert.core

/** Calls an action with each code point, and the UTF-16 unit where it begins. */
internal inline fun String.forEachCodePoint(action: (point: Int, start: Int) -> Unit) {
    var start = 0
    while (start < length) {
        val point = codePointAt(start)
        action(point, start)
        start += numUnits(point)
    }
}

/** Returns how many UTF-16 units a code point takes. */
internal fun numUnits(point: Int): Int = if (point > 0xFFFF) 2 else 1

/** Returns whether a code point is half of a surrogate pair. */
internal fun isSurrogate(point: Int): Boolean = point in 0xD800..0xDFFF

/** Converts places in a text from UTF-16 units, as Kotlin counts, to code points. */
internal class CodePointPlaces(text: String) {
    private val places = IntArray(text.length + 1)

    init {
        var place = 0
        text.forEachCodePoint { point, start ->
            places[start] = place++
            if (numUnits(point) == 2) places[start + 1] = place
        }
        places[text.length] = place
    }

    operator fun get(unit: Int): Int = places[unit]
}
