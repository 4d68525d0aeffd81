package org.pocketbert.core

/**
 * Rules 8 and 9: cuts a word into the longest pieces of the vocabulary.
 *
 * @param vocabulary in the order of ids.
 * @param prefix of a piece that continues a word.
 * @property mostCharacters of a word; one of more is unknown.
 */
internal class Pieces(
    vocabulary: List<String>,
    prefix: String,
    val mostCharacters: Int,
    private val unknownId: Int,
) {
    private val trie = Trie(vocabulary.withIndex().associate { (id, piece) -> piece to id })
    private val continued = trie.find(prefix)

    /** Adds the tokens of a word. */
    fun cut(word: Word, tokens: Tokens) {
        val mark = tokens.size
        var from = 0
        while (from < word.size) {
            val end = if (word.size > mostCharacters) from else addLongest(word, from, tokens)
            if (end == from) {
                tokens.cutTo(mark)
                tokens.add(unknownId, word.start, word.end)
                return
            }
            from = end
        }
    }

    /** Adds the longest piece that stands at a place, if any. Returns where it ends. */
    private fun addLongest(word: Word, from: Int, tokens: Tokens): Int {
        var node = if (from == 0) Trie.ROOT else continued
        var at = from
        var end = from
        var id = Trie.NONE
        while (node != Trie.NONE && at < word.size) {
            node = trie.next(node, word.point(at++))
            if (node != Trie.NONE && trie.idAt(node) != Trie.NONE) {
                id = trie.idAt(node)
                end = at
            }
        }
        if (end > from) tokens.add(id, word.start(from), word.end(end - 1))
        return end
    }
}
