package org.pocketbert.core

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
    checkInside(settings.vocabulary)
    checkInside(settings.unicodeTables)
}

private fun checkSpanRules(rules: SpanRules) {
    require(rules.score == "softmax_over_all_windows") { "the score ${rules.score} is not known" }
    require(rules.maxQuestionTokens >= 0 && rules.windowOverlapTokens >= 0) {
        "a number of tokens is negative"
    }
    require(rules.maxAnswerTokens >= 1) { "no answer may have a token" }
}

private fun checkArtifact(artifact: Artifact) {
    checkInside(artifact.path)
    require(artifact.sizeBytes >= 0) { "the size of ${artifact.path} is negative" }
    require(artifact.inputs.isNotEmpty() && artifact.outputs.isNotEmpty()) {
        "${artifact.path} has no inputs or no outputs"
    }
    val lengths = artifact.seqLens
    require(lengths.isNotEmpty() && lengths.first() > 0 && lengths == lengths.distinct().sorted()) {
        "${artifact.path} has no lengths in ascending order"
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
