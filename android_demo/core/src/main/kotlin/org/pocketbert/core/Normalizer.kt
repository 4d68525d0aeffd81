package org.pocketbert.core

/** Takes characters, each with its source: where in the text it comes from, in UTF-16 units. */
internal interface CharacterSink {
    fun add(point: Int, source: Int)

    /** Says that a stretch of text ends. */
    fun finish()
}

/** Rules 2 to 6, one character after the other: it holds back no more than a run of marks. */
internal class Normalizer(
    private val settings: TokenizerSettings,
    private val tables: UnicodeTables,
    private val next: CharacterSink,
) : CharacterSink {
    private val decomposer = Decomposer(tables, Stripped())

    override fun add(point: Int, source: Int) = clean(point, source)

    override fun finish() {
        decomposer.finish()
        next.finish()
    }

    private fun clean(point: Int, source: Int) {
        when {
            !settings.cleanText -> separateChinese(point, source)
            tables.isRemoved(point) -> Unit
            tables.isWhitespace(point) -> separateChinese(SPACE, source)
            else -> separateChinese(point, source)
        }
    }

    private fun separateChinese(point: Int, source: Int) {
        if (settings.handleChineseChars && tables.isChinese(point)) {
            decompose(SPACE, source)
            decompose(point, source)
            decompose(SPACE, source)
        } else {
            decompose(point, source)
        }
    }

    private fun decompose(point: Int, source: Int) =
        if (settings.stripAccents) decomposer.add(point, source) else lower(point, source)

    private fun lower(point: Int, source: Int) {
        if (!settings.lowercase) return next.add(point, source)
        tables.lowercase.forEach(point) { made, _ -> next.add(made, source) }
    }

    /** Rule 5, behind the decomposer. */
    private inner class Stripped : CharacterSink {
        override fun add(point: Int, source: Int) {
            if (!tables.isNonspacingMark(point)) lower(point, source)
        }

        override fun finish() = Unit
    }

    private companion object {
        const val SPACE = 0x20
    }
}
