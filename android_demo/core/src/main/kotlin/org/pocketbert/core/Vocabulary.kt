package org.pocketbert.core

import java.nio.charset.CharacterCodingException

/**
 * Makes the tokenizer of a bundle.
 *
 * @param read gives the bytes of a file of the bundle by its path.
 * @throws DamagedBundleException a file is not what the manifest describes.
 */
internal fun openTokenizer(
    settings: TokenizerSettings,
    read: (path: String) -> ByteArray,
): Tokenizer {
    val vocabulary = parseVocabulary(settings.vocabulary, read(settings.vocabulary))
    checkVocabulary(settings, vocabulary)
    val bytes = read(settings.unicodeTables)
    val tables = parsing(settings.unicodeTables) { UnicodeTables.parse(decode(bytes)) }
    return parsing(settings.vocabulary) { WordPieceTokenizer(settings, vocabulary, tables) }
}

/** Returns tokens in the order of their ids: one a line, and only a newline ends a line. */
private fun parseVocabulary(path: String, bytes: ByteArray): List<String> {
    val lines = parsing(path) { decode(bytes) }.removeSuffix("\n").split('\n')
    if (lines.toHashSet().size < lines.size) {
        throw DamagedBundleException(path, "$path holds a token twice")
    }
    return lines
}

private fun checkVocabulary(settings: TokenizerSettings, vocabulary: List<String>) {
    val path = settings.vocabulary
    val named = settings.specialTokens + settings.addedTokens + settings.normalizedAddedTokens
    for ((token, id) in named) {
        if (vocabulary.getOrNull(id) != token) {
            throw DamagedBundleException(path, "$path has another token $id than $token")
        }
    }
    if (settings.numPieces !in 1..vocabulary.size) {
        throw DamagedBundleException(
            path,
            "$path has ${vocabulary.size} tokens, and the manifest wants ${settings.numPieces}",
        )
    }
}

/** Returns the text that bytes are in UTF-8. */
internal fun decode(bytes: ByteArray): String = bytes.decodeToString(throwOnInvalidSequence = true)

/**
 * Runs what reads a file of the bundle.
 *
 * @throws DamagedBundleException it cannot be read.
 */
internal inline fun <T> parsing(path: String, read: () -> T): T =
    try {
        read()
    } catch (err: CharacterCodingException) {
        throw DamagedBundleException(path, "$path is not UTF-8", err)
    } catch (err: IllegalArgumentException) { // kotlinx.serialization's are of this kind
        throw DamagedBundleException(path, "$path is damaged: ${err.message}", err)
    }
