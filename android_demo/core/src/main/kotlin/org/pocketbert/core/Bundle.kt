package org.pocketbert.core

import java.nio.file.Path

/**
 * An opened bundle, of which every file that this platform needs was checked.
 *
 * @property folder what paths in the manifest are relative to.
 */
class Bundle internal constructor(
    val folder: Path,
    val manifest: Manifest,
    val tokenizer: Tokenizer,
) {
    /**
     * Returns the artifact of a backend.
     *
     * @throws UnsupportedArtifactException the bundle has none.
     */
    fun artifact(backend: String): Artifact =
        manifest.artifacts.firstOrNull { it.backend == backend }
            ?: throw UnsupportedArtifactException("the bundle holds no artifact for $backend")

    /** Returns where a file of the manifest lies on this device. */
    fun file(path: String): Path = folder.resolve(path)
}

/**
 * Opens a bundle, and checks its signature, its manifest and its files.
 *
 * @param publicKey 32 bytes of Ed25519; given, the bundle must be signed by its owner.
 * @param platform as the manifest calls it; only what it lists for that one is looked at.
 * @throws PocketBertException what is wrong.
 */
fun openBundle(folder: Path, publicKey: ByteArray? = null, platform: String = "android"): Bundle =
    TODO("$folder $publicKey $platform")
