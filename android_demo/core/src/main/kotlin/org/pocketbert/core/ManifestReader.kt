package org.pocketbert.core

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.decodeFromJsonElement
import kotlinx.serialization.json.jsonObject

internal const val MANIFEST = "manifest.json"

/**
 * Reads a manifest from its bytes.
 *
 * @throws DamagedBundleException they are not, one by one, what was written.
 * @throws NewerBundleException it is of a newer major version.
 */
internal fun readManifest(bytes: ByteArray): Manifest {
    val content = withoutHash(bytes)
    return parsing(MANIFEST) {
        val json = Json.parseToJsonElement(decode(content)).jsonObject
        val reader = if (isNewerMinor(json)) lenient else Json
        reader.decodeFromJsonElement<Manifest>(json).also(::checkManifest)
    }
}

private val lenient = Json { ignoreUnknownKeys = true }

private const val MAJOR = 1
private const val MINOR = 0

private fun isNewerMinor(json: JsonObject): Boolean {
    val stated = (json["schema_version"] as? JsonPrimitive)?.content.orEmpty()
    val numbers = versionNumbers(stated)
    if (numbers == null || numbers.size != 2 || numbers[0] > MAJOR) {
        throw NewerBundleException(
            "the bundle has schema version $stated, and this app reads up to $MAJOR.x: " +
                "update the app",
        )
    }
    return numbers[0] == MAJOR && numbers[1] > MINOR
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
