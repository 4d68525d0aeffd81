package org.pocketbert.app

import org.pocketbert.core.MANIFEST
import org.pocketbert.core.NoBundleException
import org.pocketbert.core.NoRoomException
import java.io.File
import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption
import java.security.MessageDigest

private const val INCOMING = "incoming"

/**
 * Copies a bundle out of the assets, as runtimes open files only.
 *
 * A copy is named after its manifest, so that a new version of the app brings another one. It gets
 * its name when it is whole, on the disk and checked: what was begun and not ended is thrown away,
 * at once where something fails, and at the next start where the app was killed.
 *
 * @param source the folder in the assets.
 * @param target the folder for copies, which nothing else uses.
 * @param freeBytes of the disk that a folder is on.
 */
class BundleInstaller(
    private val assets: Assets,
    private val source: String,
    private val target: File,
    private val freeBytes: (File) -> Long = File::getUsableSpace,
) {
    /**
     * Returns the folder of the copy, which is made if it is not there.
     *
     * @param check called with the folder of a new copy; what it throws ends the installation.
     * @throws NoBundleException the app carries no bundle.
     * @throws NoRoomException the disk is too full for it.
     * @throws IOException it cannot be copied.
     */
    fun install(check: (Path) -> Unit): Path {
        val copy = File(target, nameOf(manifest()))
        if (!copy.isDirectory) {
            removeAll()
            val incoming = File(target, INCOMING)
            try {
                copyWhereThereIsRoom(incoming)
                check(incoming.toPath())
                Files.move(incoming.toPath(), copy.toPath(), StandardCopyOption.ATOMIC_MOVE)
            } catch (failure: Exception) {
                incoming.deleteRecursively()
                throw failure
            }
        }
        return copy.toPath()
    }

    /** Returns the folder of a fresh copy; for one that is damaged. */
    fun installAgain(check: (Path) -> Unit): Path {
        removeAll()
        return install(check)
    }

    private fun removeAll() {
        if (target.exists() && !target.deleteRecursively()) {
            throw IOException("$target cannot be deleted")
        }
    }

    private fun manifest(): ByteArray {
        if (MANIFEST !in assets.list(source)) {
            throw NoBundleException("the app was built without a bundle")
        }
        return assets.open("$source/$MANIFEST").use { it.readBytes() }
    }

    private fun nameOf(manifest: ByteArray): String =
        MessageDigest.getInstance("SHA-256").digest(manifest).toHexString()

    private fun copyWhereThereIsRoom(incoming: File) {
        Files.createDirectories(target.toPath())
        val needed = sizeOf(source)
        val missing = needed - freeBytes(target)
        if (missing > 0) throw noRoom(missing)
        try {
            copy(source, incoming)
        } catch (failure: IOException) {
            // Something else may have filled the disk meanwhile.
            incoming.deleteRecursively()
            val missingNow = needed - freeBytes(target)
            throw if (missingNow > 0) noRoom(missingNow, failure) else failure
        }
    }

    private fun noRoom(missingBytes: Long, cause: IOException? = null) =
        NoRoomException(missingBytes, "$missingBytes bytes more are needed", cause)

    private fun sizeOf(asset: String): Long {
        val names = assets.list(asset)
        return if (names.isEmpty()) assets.size(asset) else names.sumOf { sizeOf("$asset/$it") }
    }

    private fun copy(asset: String, to: File) {
        val names = assets.list(asset)
        if (names.isEmpty()) {
            assets.open(asset).use { input ->
                to.outputStream().use { output ->
                    input.copyTo(output)
                    output.fd.sync()
                }
            }
        } else {
            Files.createDirectories(to.toPath())
            names.forEach { copy("$asset/$it", File(to, it)) }
        }
    }
}
