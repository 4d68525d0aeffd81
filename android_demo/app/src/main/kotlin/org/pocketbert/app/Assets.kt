package org.pocketbert.app

import android.content.res.AssetManager
import java.io.IOException
import java.io.InputStream

/** The files that an app was installed with. */
interface Assets {
    /** Returns the names in a folder; none where it is a file, or is not there. */
    fun list(folder: String): List<String>

    /**
     * Returns the bytes of a file.
     *
     * @throws IOException there is no such file.
     */
    fun size(path: String): Long

    /** @throws IOException there is no such file. */
    fun open(path: String): InputStream
}

/** Those of this app. */
class AndroidAssets(private val manager: AssetManager) : Assets {
    override fun list(folder: String): List<String> = manager.list(folder).orEmpty().toList()

    /** What is left to read of an asset is told for packed ones, too. */
    override fun size(path: String): Long = open(path).use { it.available().toLong() }

    override fun open(path: String): InputStream = manager.open(path, AssetManager.ACCESS_STREAMING)
}
