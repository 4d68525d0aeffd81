package org.pocketbert.app

import java.io.File
import java.io.IOException
import java.io.InputStream

/** Assets in a folder. As Android's, they have nothing to say of a file that is listed. */
internal class FolderAssets(private val root: File) : Assets {
    var numOpened = 0

    /** Called with the path of each file that is opened. */
    var onOpen: (String) -> Unit = {}

    override fun list(folder: String): List<String> = File(root, folder).list().orEmpty().toList()

    override fun size(path: String): Long =
        File(root, path).takeIf { it.isFile }?.length() ?: throw IOException(path)

    override fun open(path: String): InputStream {
        numOpened++
        onOpen(path)
        return File(root, path).takeIf { it.isFile }?.inputStream() ?: throw IOException(path)
    }
}

/** The bundle that the tests of all modules read, and the key that signed it. */
internal val fixture = File("../core/src/test/resources")

/** Returns the folder of a bundle that is put into assets. */
internal fun carriedIn(assets: File): File =
    File(assets, "pocketbert").also { File(fixture, "bundle").copyRecursively(it) }
