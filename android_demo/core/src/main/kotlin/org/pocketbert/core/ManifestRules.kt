package org.pocketbert.core

// What a reader takes in memory and time grows with these numbers, so they have bounds.
internal const val MAX_SEQ_LEN = 8192
private const val MAX_SEQ_LENS = 64
private const val MAX_VOCABULARY = 1 shl 20
private const val MAX_CHARS_PER_WORD = 256
internal const val MAX_TEXT_CHARACTERS = 10_000_000
private const val MAX_ARTIFACT_BYTES = 1L shl 34
private const val MAX_RULES = 64
internal const val MAX_LABELS = 10_000
private const val MAX_LABEL_CHARACTERS = 1_000

/**
 * Refuses a manifest that is well-formed but makes no sense.
 *
 * @throws IllegalArgumentException what is wrong with it.
 */
internal fun checkManifest(manifest: Manifest) {
    checkTokenizer(manifest.tokenizer)
    checkTask(manifest.task)
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

private fun checkTask(task: TaskDescription) {
    require(task.name.isNotEmpty()) { "task.name is empty" }
    require(task.rules.size <= MAX_RULES) {
        "task.rules has ${task.rules.size} members, more than $MAX_RULES"
    }
    require(task.labels.size <= MAX_LABELS) {
        "task.labels has ${task.labels.size} labels, more than $MAX_LABELS"
    }
    for (label in task.labels) {
        require(label.codePointCount(0, label.length) <= MAX_LABEL_CHARACTERS) {
            "a label has more than $MAX_LABEL_CHARACTERS characters"
        }
    }
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
