package org.pocketbert.app

import org.pocketbert.core.MANIFEST
import org.pocketbert.core.NoBundleException
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
 * its name when it is whole: what was begun and not ended, as the app was killed, is thrown away.
 *
 * @param source the folder in the assets.
 * @param target the folder for copies, which nothing else uses.
 */
class BundleInstaller(
    private val assets: Assets,
    private val source: String,
    private val target: File,
) {
    /**
     * Returns the folder of the copy, which is made if it is not there.
     *
     * @throws NoBundleException the app carries no bundle.
     * @throws IOException there is no room for it.
     */
    fun install(): Path {
        val copy = File(target, nameOf(manifest()))
        if (!copy.isDirectory) {
            removeAll()
            val incoming = File(target, INCOMING)
            copy(source, incoming)
            Files.move(incoming.toPath(), copy.toPath(), StandardCopyOption.ATOMIC_MOVE)
        }
        return copy.toPath()
    }

    /** Returns the folder of a fresh copy; for one that is damaged. */
    fun installAgain(): Path {
        removeAll()
        return install()
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

    private fun copy(asset: String, to: File) {
        val names = assets.list(asset)
        if (names.isEmpty()) {
            assets.open(asset).use { input -> to.outputStream().use { input.copyTo(it) } }
        } else {
            Files.createDirectories(to.toPath())
            names.forEach { copy("$asset/$it", File(to, it)) }
        }
    }
}
