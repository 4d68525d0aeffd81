package org.pocketbert.core

import java.io.IOException
import java.nio.file.Files
import java.nio.file.InvalidPathException
import java.nio.file.NoSuchFileException
import java.nio.file.Path
import java.security.MessageDigest

/** The files of a bundle's folder. */
internal class BundleFiles(val folder: Path) {
    /**
     * Returns the bytes of a file.
     *
     * @throws DamagedBundleException it is absent, or cannot be read.
     */
    fun read(path: String): ByteArray = reading(path) { Files.readAllBytes(locate(path)) }

    /** Returns the bytes of a file, or null where it is absent. */
    fun readIfThere(path: String): ByteArray? = if (has(path)) read(path) else null

    fun has(path: String): Boolean = Files.exists(folder.resolve(path))

    /**
     * Refuses a file that is not what the manifest says.
     *
     * @throws DamagedBundleException it is absent, or another.
     */
    fun check(path: String, sha256: String) {
        val digest = MessageDigest.getInstance("SHA-256")
        reading(path) {
            Files.newInputStream(locate(path)).use { stream ->
                val buffer = ByteArray(DEFAULT_BUFFER_SIZE)
                generateSequence { stream.read(buffer).takeIf { it >= 0 } }
                    .forEach { size -> digest.update(buffer, 0, size) }
            }
        }
        if (digest.digest().toHex() != sha256) {
            throw DamagedBundleException(path, "$path was changed: its sha256 differs")
        }
    }

    /**
     * Refuses a file of another size.
     *
     * @throws DamagedBundleException it is absent, or has not [sizeBytes].
     */
    fun checkSize(path: String, sizeBytes: Long) {
        val found = reading(path) { Files.size(locate(path)) }
        if (found != sizeBytes) {
            throw DamagedBundleException(path, "$path has $found bytes, expected $sizeBytes")
        }
    }

    /** Returns where a file lies; a link may not lead out of the bundle. */
    private fun locate(path: String): Path {
        val found = folder.resolve(path).toRealPath()
        if (!found.startsWith(folder.toRealPath()) || !Files.isRegularFile(found)) {
            throw DamagedBundleException(path, "$path is not a file of the bundle")
        }
        return found
    }

    private inline fun <T> reading(path: String, read: () -> T): T =
        try {
            read()
        } catch (err: NoSuchFileException) {
            throw DamagedBundleException(path, "$path is missing", err)
        } catch (err: IOException) {
            throw DamagedBundleException(path, "$path cannot be read: ${err.message}", err)
        } catch (err: InvalidPathException) {
            throw DamagedBundleException(path, "$path is no path on this device", err)
        }
}

/** Returns a hash in hexadecimal. */
internal fun sha256(bytes: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(bytes).toHex()

private fun ByteArray.toHex(): String {
    val digits = "0123456789abcdef"
    return buildString(2 * size) {
        for (byte in this@toHex) {
            append(digits[byte.toInt() shr 4 and 0xF])
            append(digits[byte.toInt() and 0xF])
        }
    }
}
