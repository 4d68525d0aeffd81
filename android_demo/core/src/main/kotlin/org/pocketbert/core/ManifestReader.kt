package org.pocketbert.core

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json

/** The file that says all else of a bundle. */
const val MANIFEST = "manifest.json"

/**
 * Reads a manifest from its bytes.
 *
 * @throws DamagedBundleException they are not, one by one, what was written.
 * @throws NewerBundleException it is of a newer major version.
 */
internal fun readManifest(bytes: ByteArray): Manifest {
    val rest = withoutHash(bytes)
    return parsing(MANIFEST) {
        val text = decode(rest)
        val reader = if (isOfNewerMinor(text)) lenient else Json
        reader.decodeFromString<Manifest>(text).also(::checkManifest)
    }
}

private val lenient = Json { ignoreUnknownKeys = true }

@Serializable
private class Versioned(@SerialName("schema_version") val schemaVersion: String)

private const val MAJOR = 1
private const val MINOR = 0

/** Whether it is of a newer minor version, so that what is not known in it is ignored. */
internal val Manifest.isNewerMinor: Boolean
    get() = versionNumbers(schemaVersion)?.let(::isNewerMinor) == true

private fun isNewerMinor(numbers: List<Int>): Boolean =
    numbers.size == 2 && numbers[0] == MAJOR && numbers[1] > MINOR

private fun isOfNewerMinor(manifest: String): Boolean {
    val stated = lenient.decodeFromString<Versioned>(manifest).schemaVersion
    val numbers = versionNumbers(stated)
    if (numbers == null || numbers.size != 2 || numbers[0] > MAJOR) {
        throw NewerBundleException(
            "the bundle has schema version $stated, and this app reads up to $MAJOR.x: " +
                "update the app",
        )
    }
    return isNewerMinor(numbers)
}

/** Returns the bytes that the manifest's own hash is of, which it is found in and compared with. */
private fun withoutHash(bytes: ByteArray): ByteArray {
    // Each byte becomes one character, so that places in both are the same.
    val found = HASH.findAll(bytes.toString(Charsets.ISO_8859_1)).toList()
    val hash = found.singleOrNull()
        ?: throw DamagedBundleException(MANIFEST, "$MANIFEST does not state its hash once")
    val rest = bytes.copyOfRange(0, hash.range.first) +
        bytes.copyOfRange(hash.range.last + 1, bytes.size)
    if (sha256(rest) != hash.groupValues[1]) {
        throw DamagedBundleException(MANIFEST, "$MANIFEST was changed after it was written")
    }
    return rest
}

private val HASH = Regex("\"manifest_sha256\":\"([0-9a-f]{64})\",")
