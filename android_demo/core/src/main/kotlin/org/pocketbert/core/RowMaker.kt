package org.pocketbert.core

/** Some of a text's tokens, [until] not included. */
internal class TokenPart(val tokens: Tokens, val from: Int, val until: Int) {
    val size: Int get() = until - from
}

/** Makes rows of one part or two, with `[CLS]` before the first and `[SEP]` behind each. */
internal class RowMaker(specialTokens: Map<String, Int>, private val secondTokenType: Int) {
    constructor(settings: TokenizerSettings) : this(settings.specialTokens, settings.secondTokenType)

    private val cls = specialTokens.getValue(SpecialTokens.CLS)
    private val sep = specialTokens.getValue(SpecialTokens.SEP)
    private val pad = specialTokens.getValue(SpecialTokens.PAD)

    /**
     * Returns a row at the smallest length that holds it.
     *
     * @param seqLens ascending; the last one holds the row.
     */
    fun row(parts: List<TokenPart>, seqLens: List<Int>): Row {
        val numTokens = 1 + parts.sumOf { it.size + 1 }
        val seqLen = seqLens.first { it >= numTokens }
        val ids = IntArray(seqLen)
        val types = IntArray(seqLen)
        ids[0] = cls
        var end = 1
        parts.forEachIndexed { place, part ->
            val start = end
            part.tokens.copyIds(into = ids, at = start, from = part.from, until = part.until)
            end += part.size + 1
            ids[end - 1] = sep
            if (place > 0) types.fill(secondTokenType, start, end)
        }
        ids.fill(pad, fromIndex = numTokens)
        return Row(
            inputIds = ids,
            attentionMask = IntArray(seqLen).apply { fill(1, 0, numTokens) },
            tokenTypeIds = types,
            numTokens = numTokens,
        )
    }
}

/** Returns where windows begin that cover so many tokens; the last one is flush with their end. */
internal fun windowStarts(size: Int, room: Int, overlap: Int): List<Int> {
    val step = room - minOf(overlap, room / 2)
    val last = maxOf(0, size - room)
    return (0 until last step step) + last
}
