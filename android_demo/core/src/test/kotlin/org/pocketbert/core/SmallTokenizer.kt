package org.pocketbert.core

/** Tokens 0 to 3 of every small vocabulary. */
const val SPECIAL = "[PAD]\n[UNK]\n[CLS]\n[SEP]"

const val UNKNOWN_ID = 1

val SETTINGS = TokenizerSettings(
    kind = "wordpiece",
    cleanText = true,
    handleChineseChars = true,
    stripAccents = true,
    lowercase = true,
    continuingSubwordPrefix = "##",
    maxInputCharsPerWord = 100,
    specialTokens = mapOf("[PAD]" to 0, "[UNK]" to UNKNOWN_ID, "[CLS]" to 2, "[SEP]" to 3),
    addedTokens = mapOf("[SEP]" to 3),
    numPieces = 4,
    vocabulary = "tokenizer/vocab.txt",
    unicodeTables = "tokenizer/unicode.json",
)

/** Returns a tokenizer whose tokens from 4 on are these pieces. */
fun smallTokenizer(
    vararg pieces: String,
    settings: TokenizerSettings = SETTINGS,
    tables: String = tables(),
): Tokenizer {
    val lines = listOf(SPECIAL) + pieces
    return openTokenizer(settings.copy(numPieces = 4 + pieces.size)) { path ->
        when (path) {
            settings.vocabulary -> lines.joinToString("") { "$it\n" }.toByteArray()
            else -> tables.toByteArray()
        }
    }
}

/** Returns tables of a few characters, some of them changed. */
fun tables(vararg changes: Pair<String, String>): String {
    val tables = mapOf(
        "removed" to "[[0,8],[11,11],[65533,65533]]",
        "whitespace" to "[[9,11],[13,13],[32,32],[160,160]]",
        "punctuation" to "[[33,47],[58,64],[91,96]]",
        "nonspacing_marks" to "[[768,879]]",
        "chinese" to "[[19968,40959]]",
        "combining_classes" to "[[768,789,230],[790,819,220],[12334,12334,224]]",
        "decompositions" to "[[233,101,769],[836,776,769]]",
        "lowercase" to "[[65,97],[304,105,775],[931,963]]",
    ) + changes
    return tables.entries.joinToString(",", "{", "}") { "\"${it.key}\":${it.value}" }
}

fun Tokenizer.ids(text: String): List<Int> = tokenize(text).run { indices.map(::id) }

fun Tokenizer.spans(text: String): List<Pair<Int, Int>> =
    tokenize(text).run { indices.map { start(it) to end(it) } }
