package org.pocketbert.core

/** Rule 7: gathers characters into words, and has each cut into tokens. */
internal class WordSplitter(
    text: String,
    private val tables: UnicodeTables,
    private val pieces: Pieces,
    private val tokens: Tokens,
) : CharacterSink {
    private val word = Word(text, most = pieces.mostCharacters)

    override fun add(point: Int, source: Int) {
        val isSpace = tables.isWhitespace(point)
        if (isSpace || tables.isPunctuation(point)) {
            finish()
            if (isSpace) return
            word.add(point, source)
            finish()
        } else {
            word.add(point, source)
        }
    }

    override fun finish() {
        if (word.size > 0) pieces.cut(word, tokens)
        word.clear()
    }
}

/** The characters of one word and their sources; of a word of too many, only its ends. */
internal class Word(private val text: String, private val most: Int) {
    private var points = IntArray(USUAL_SIZE)
    private var sources = IntArray(USUAL_SIZE)
    private var firstSource = 0
    private var lastSource = 0

    var size = 0
        private set

    /** Where it begins in the text. */
    val start: Int get() = firstSource

    /** Where it ends in the text, not included. */
    val end: Int get() = endOf(lastSource)

    fun point(index: Int): Int = points[index]

    fun start(index: Int): Int = sources[index]

    fun end(index: Int): Int = endOf(sources[index])

    fun add(point: Int, source: Int) {
        if (size == 0) firstSource = source
        lastSource = source
        if (size < most) {
            if (size == points.size) grow()
            points[size] = point
            sources[size] = source
        }
        size++
    }

    fun clear() {
        size = 0
    }

    /** A text holds no half of a pair, so a high surrogate begins a character of two units. */
    private fun endOf(source: Int): Int = source + if (text[source] in '\uD800'..'\uDBFF') 2 else 1

    private fun grow() {
        points = points.copyOf(2 * size)
        sources = sources.copyOf(2 * size)
    }

    private companion object {
        const val USUAL_SIZE = 64
    }
}
