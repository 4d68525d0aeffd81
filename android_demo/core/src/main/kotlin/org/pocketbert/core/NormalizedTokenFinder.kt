package org.pocketbert.core

/** Rule 6a: finds added tokens in normalized text, and passes on what stands between them. */
internal class NormalizedTokenFinder(
    private val text: String,
    private val added: Trie,
    private val tokens: Tokens,
    private val next: CharacterSink,
) : CharacterSink {
    private var points = IntArray(USUAL_SIZE)
    private var sources = IntArray(USUAL_SIZE)
    private var size = 0

    override fun add(point: Int, source: Int) {
        if (size == points.size) {
            points = points.copyOf(2 * size)
            sources = sources.copyOf(2 * size)
        }
        points[size] = point
        sources[size] = source
        size++
    }

    override fun finish() {
        var start = 0
        while (start < size) {
            val end = addToken(start)
            if (end == start) {
                next.add(points[start], sources[start])
                start++
            } else {
                start = end
            }
        }
        size = 0
        next.finish()
    }

    /** Returns where the longest token at a place ends, or the place. */
    private fun addToken(start: Int): Int {
        var node = added.next(Trie.ROOT, points[start])
        var at = start
        var end = start
        var id = Trie.NONE
        while (node != Trie.NONE) {
            at++
            if (added.idAt(node) != Trie.NONE) {
                id = added.idAt(node)
                end = at
            }
            node = if (at < size) added.next(node, points[at]) else Trie.NONE
        }
        if (end > start) {
            next.finish() // what stood before is a text of its own
            val last = sources[end - 1]
            tokens.add(id, sources[start], last + numUnits(text.codePointAt(last)))
        }
        return end
    }

    private companion object {
        const val USUAL_SIZE = 64
    }
}

/** Gathers characters as a string. */
internal class CharacterCollector(private val into: StringBuilder) : CharacterSink {
    override fun add(point: Int, source: Int) {
        into.appendCodePoint(point)
    }

    override fun finish() = Unit
}
