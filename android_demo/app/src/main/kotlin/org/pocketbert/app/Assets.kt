package org.pocketbert.app

import android.content.res.AssetManager
import java.io.IOException
import java.io.InputStream

/** The files that an app was installed with. */
interface Assets {
    /** Returns the names in a folder; none where it is a file, or is not there. */
    fun list(folder: String): List<String>

    /** @throws IOException there is no such file. */
    fun open(path: String): InputStream
}

/** Those of this app. */
class AndroidAssets(private val manager: AssetManager) : Assets {
    override fun list(folder: String): List<String> = manager.list(folder).orEmpty().toList()

    override fun open(path: String): InputStream = manager.open(path, AssetManager.ACCESS_STREAMING)
}
