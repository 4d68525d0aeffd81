package org.pocketbert.core

/** BERT's tokenizer; `SPECIFICATION.md` has the numbers of the rules in the comments. */
internal class WordPieceTokenizer(
    private val settings: TokenizerSettings,
    vocabulary: List<String>,
    private val tables: UnicodeTables,
) : Tokenizer {
    private val added = Trie(settings.addedTokens)

    // Tokens that were added after training are found in the text as it is, never in words.
    private val pieces = Pieces(
        vocabulary.subList(0, settings.numPieces),
        prefix = settings.continuingSubwordPrefix,
        mostCharacters = settings.maxInputCharsPerWord,
        unknownId = settings.specialTokens.getValue(SpecialTokens.UNKNOWN),
    )

    private val normalizedAdded = Trie(normalized(settings.normalizedAddedTokens))

    override fun tokenize(text: String): Tokens {
        val tokens = Tokens(expected = text.length / USUAL_CHARACTERS + 1)
        val words = WordSplitter(text, tables, pieces, tokens)
        val found = if (settings.normalizedAddedTokens.isEmpty()) {
            words
        } else {
            NormalizedTokenFinder(text, normalizedAdded, tokens, words)
        }
        val normalizer = Normalizer(settings, tables, found)
        var start = 0
        while (start < text.length) {
            val end = addAddedToken(text, start, tokens, normalizer)
            if (end > start) {
                start = end
                continue
            }
            val point = text.codePointAt(start)
            require(!isSurrogate(point)) { "half of a surrogate pair at $start" }
            normalizer.add(point, start)
            start += numUnits(point)
        }
        normalizer.finish()
        return tokens
    }

    /** Rule 1. Returns where the longest added token at a place ends, or the place. */
    private fun addAddedToken(
        text: String,
        start: Int,
        tokens: Tokens,
        normalizer: Normalizer,
    ): Int {
        var node = added.next(Trie.ROOT, text.codePointAt(start))
        var at = start
        var end = start
        var id = Trie.NONE
        while (node != Trie.NONE) {
            at += numUnits(text.codePointAt(at))
            if (added.idAt(node) != Trie.NONE) {
                id = added.idAt(node)
                end = at
            }
            node = if (at < text.length) added.next(node, text.codePointAt(at)) else Trie.NONE
        }
        if (end > start) {
            normalizer.finish() // what stood before is a text of its own
            tokens.add(id, start, end)
        }
        return end
    }

    /** Returns what becomes of added tokens. */
    private fun normalized(added: Map<String, Int>): Map<String, Int> {
        val ids = HashMap<String, Int>()
        for ((token, id) in added) {
            val made = StringBuilder()
            val normalizer = Normalizer(settings, tables, CharacterCollector(made))
            token.forEachCodePoint(normalizer::add)
            normalizer.finish()
            require(made.isNotEmpty() && ids.put(made.toString(), id) == null) {
                "nothing of its own is left of $token once it is normalized"
            }
        }
        return ids
    }

    private companion object {
        /** A token of European text has some more, so that its tokens rarely need to grow. */
        const val USUAL_CHARACTERS = 4
    }
}
