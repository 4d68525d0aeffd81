package org.pocketbert.core

// What a reader takes in memory and time grows with these numbers, so they have bounds.
private const val MAX_SEQ_LEN = 8192
private const val MAX_SEQ_LENS = 64
private const val MAX_VOCABULARY = 1 shl 20
private const val MAX_CHARS_PER_WORD = 256
private const val MAX_TEXT_CHARACTERS = 10_000_000
private const val MAX_ARTIFACT_BYTES = 1L shl 34

/**
 * Refuses a manifest that is well-formed but makes no sense.
 *
 * @throws IllegalArgumentException what is wrong with it.
 */
internal fun checkManifest(manifest: Manifest) {
    checkTokenizer(manifest.tokenizer)
    checkSpanRules(manifest.spanRules)
    require(manifest.artifacts.isNotEmpty()) { "it has no artifact" }
    for (artifact in manifest.artifacts + listOfNotNull(manifest.taskLibrary)) {
        checkArtifact(artifact)
        require(manifest.files.keys.any { it.isPartOf(artifact) }) {
            "${artifact.path} is not among the files"
        }
    }
    for ((path, hash) in manifest.files) {
        checkInside(path)
        require(hash.length == 64 && hash.all { it in '0'..'9' || it in 'a'..'f' }) {
            "$hash is no sha256"
        }
    }
    for (path in manifest.platforms.values.flatten()) {
        require(path in manifest.files) { "$path is not among the files" }
    }
}

private fun checkTokenizer(settings: TokenizerSettings) {
    require(settings.kind == "wordpiece") { "the tokenizer ${settings.kind} is not known" }
    for (token in SpecialTokens.ALL) {
        require(token in settings.specialTokens) { "the tokenizer has no $token" }
    }
    require(settings.secondTokenType in 0..1) { "the second token type is neither 0 nor 1" }
    require(settings.maxInputCharsPerWord in 1..MAX_CHARS_PER_WORD) {
        "words of ${settings.maxInputCharsPerWord} characters are outside 1 to $MAX_CHARS_PER_WORD"
    }
    require(settings.numPieces in 1..MAX_VOCABULARY) {
        "${settings.numPieces} pieces are outside 1 to $MAX_VOCABULARY"
    }
    for ((token, id) in settings.specialTokens + settings.addedTokens + settings.normalizedAddedTokens) {
        require(id in 0 until MAX_VOCABULARY) { "$token has the id $id" }
    }
    checkInside(settings.vocabulary)
    checkInside(settings.unicodeTables)
}

private fun checkSpanRules(rules: SpanRules) {
    require(rules.score == "softmax_over_all_windows") { "the score ${rules.score} is not known" }
    for (number in listOf(rules.maxQuestionTokens, rules.windowOverlapTokens)) {
        require(number in 0..MAX_SEQ_LEN) { "$number tokens are outside 0 to $MAX_SEQ_LEN" }
    }
    require(rules.maxAnswerTokens in 1..MAX_SEQ_LEN) {
        "answers of ${rules.maxAnswerTokens} tokens are outside 1 to $MAX_SEQ_LEN"
    }
    require(rules.maxTextCharacters in 1..MAX_TEXT_CHARACTERS) {
        "texts of ${rules.maxTextCharacters} characters are outside 1 to $MAX_TEXT_CHARACTERS"
    }
    require(rules.maxUnknownShare in 0.0..1.0) { "a share of unknown tokens is outside 0 to 1" }
}

private fun checkArtifact(artifact: Artifact) {
    checkInside(artifact.path)
    require(artifact.sizeBytes in 0..MAX_ARTIFACT_BYTES) {
        "the size of ${artifact.path} is outside 0 to $MAX_ARTIFACT_BYTES"
    }
    require(artifact.inputs.isNotEmpty() && artifact.outputs.isNotEmpty()) {
        "${artifact.path} has no inputs or no outputs"
    }
    val lengths = artifact.seqLens
    require(lengths.isNotEmpty() && lengths.first() > 0 && lengths == lengths.distinct().sorted()) {
        "${artifact.path} has no lengths in ascending order"
    }
    require(lengths.last() <= MAX_SEQ_LEN && lengths.size <= MAX_SEQ_LENS) {
        "${artifact.path} has lengths beyond $MAX_SEQ_LEN, or more than $MAX_SEQ_LENS"
    }
    require(lengths.last() > NUM_SPECIAL) { "${artifact.path} has no room for a token" }
    require(artifact.entryPoints.size == lengths.size) {
        "${artifact.path} has not one entry point for each length"
    }
}

/** A manifest may come from anywhere: what it names must not lie elsewhere on this device. */
private fun checkInside(path: String) {
    val parts = path.split('/').filter { it.isNotEmpty() && it != "." }
    require(parts.isNotEmpty() && !path.startsWith('/') && ".." !in parts && '\u0000' !in path) {
        "$path is not a path inside the bundle"
    }
}

/** Returns whether a file of the bundle is an artifact, or inside of it. */
internal fun String.isPartOf(artifact: Artifact): Boolean =
    this == artifact.path || startsWith("${artifact.path}/")
