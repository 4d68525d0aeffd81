package org.pocketbert.core

import java.nio.file.Path

/**
 * An opened bundle, of which every file that this platform needs was checked.
 *
 * @property tokenizer threads may share it.
 */
class Bundle internal constructor(
    private val files: BundleFiles,
    val manifest: Manifest,
    val tokenizer: Tokenizer,
    internal val task: Task,
    private val checkedPaths: List<String>,
) {
    /** What paths in the manifest are relative to. */
    val folder: Path get() = files.folder

    /** Of a text that the model is given, in code points; of a longer one nothing is read. */
    val maxTextCharacters: Int get() = task.maxTextCharacters

    /**
     * Returns the artifact of a backend.
     *
     * @throws UnsupportedArtifactException the bundle has none for this platform.
     */
    fun artifact(backend: String): Artifact =
        manifest.artifacts
            .filter { artifact -> checkedPaths.any { it.isPartOf(artifact) } }
            .firstOrNull { it.backend == backend }
            ?: throw UnsupportedArtifactException("the bundle holds no model for $backend")

    /**
     * Returns where a file lies on this device.
     *
     * @throws DamagedBundleException it is none that was checked.
     */
    fun file(path: String): Path {
        checkIsListed(path, checkedPaths)
        return folder.resolve(path)
    }

    /** @throws DamagedBundleException it cannot be read, or is none that was checked. */
    internal fun read(path: String): ByteArray {
        checkIsListed(path, checkedPaths)
        return files.read(path)
    }
}

/**
 * Opens a bundle, and checks its signature, its manifest and its files.
 *
 * @param publicKey 32 bytes of Ed25519; given, the bundle must be signed by its owner.
 * @param platform as the manifest calls it; only what it lists for that one is looked at.
 * @param wasChecked whether this very copy was opened before: of the models, which are large, only
 *     the size is looked at then. All other files are checked as ever.
 * @throws PocketBertException what is wrong.
 */
fun openBundle(
    folder: Path,
    publicKey: ByteArray? = null,
    platform: String = "android",
    wasChecked: Boolean = false,
): Bundle = openBundle(folder, publicKey, platform, KNOWN_TASKS, wasChecked)

/** @param tasks those that are known. */
internal fun openBundle(
    folder: Path,
    publicKey: ByteArray?,
    platform: String,
    tasks: List<TaskKind>,
    wasChecked: Boolean = false,
): Bundle {
    val files = BundleFiles(folder)
    if (!files.has(MANIFEST)) throw NoBundleException("there is no bundle at $folder")
    val bytes = files.read(MANIFEST)
    if (publicKey != null) checkSignature(bytes, files.readIfThere(SIGNATURE), publicKey)
    val manifest = readManifest(bytes)
    val task = openTask(manifest, tasks)
    val listed = manifest.platforms[platform]
        ?: throw UnsupportedArtifactException("the bundle holds nothing for $platform")
    for (path in listed) {
        val artifact = manifest.artifacts.firstOrNull { it.path == path }
        if (wasChecked && artifact != null) {
            files.checkSize(path, artifact.sizeBytes)
        } else {
            files.check(path, manifest.files.getValue(path))
        }
    }
    val tokenizer = openTokenizer(manifest.tokenizer) { path ->
        checkIsListed(path, listed)
        files.read(path)
    }
    return Bundle(files, manifest, tokenizer, task, listed)
}

private fun checkIsListed(path: String, listed: List<String>) {
    if (path !in listed) {
        throw DamagedBundleException(path, "$path is not among the files of this platform")
    }
}
