package org.pocketbert.ui

/** Short paragraphs are laid out together up to this many UTF-16 units: about a screenful. */
private const val USUAL_CHARACTERS = 1_000

/** A paragraph is laid out in one piece up to this many UTF-16 units: a few milliseconds. */
private const val MOST_CHARACTERS = 3_000

/** A part of a text that is laid out on its own; a newline behind it is in no chunk. */
data class Chunk(val start: Int, val end: Int)

/**
 * Cuts a text into chunks, so that of a long one only what is looked at is laid out.
 *
 * A cut is at the end of a paragraph, in very long ones behind a space, and where there is none
 * anywhere but inside a surrogate pair.
 */
fun chunksOf(text: String): List<Chunk> = buildList {
    var start = 0
    while (start < text.length) {
        val next = text.substring(start, minOf(start + MOST_CHARACTERS, text.length))
        val end = start + lengthOfChunk(next)
        add(Chunk(start, end))
        start = if (end < text.length && text[end] == '\n') end + 1 else end
    }
}

/** Returns how much of what comes next, at most [MOST_CHARACTERS] units, is one chunk. */
private fun lengthOfChunk(next: String): Int {
    if (next.length <= USUAL_CHARACTERS) return next.length
    val newline = next.lastIndexOf('\n', USUAL_CHARACTERS).takeIf { it >= 0 } ?: next.indexOf('\n')
    val space = next.lastIndexOf(' ')
    return when {
        newline >= 0 -> newline
        next.length < MOST_CHARACTERS -> next.length
        space >= 0 -> space + 1
        next.last().isHighSurrogate() -> next.length - 1
        else -> next.length
    }
}
