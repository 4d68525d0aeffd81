package org.pocketbert.app

import org.pocketbert.core.Bundle
import org.pocketbert.core.DamagedBundleException
import org.pocketbert.core.openBundle
import java.nio.file.Path

/**
 * The bundle that the app carries.
 *
 * @param publicKey in PEM, or null; given, its owner must have signed the bundle.
 */
class CarriedBundle(private val installer: BundleInstaller, private val publicKey: String) {
    /**
     * Opens the copy on this device; a damaged one is made anew, once.
     *
     * All files are checked when the copy is made. Later only the sizes of the models are, so that
     * the app does not read them whole at each start.
     *
     * @throws org.pocketbert.core.PocketBertException what is wrong with the bundle itself.
     * @throws java.io.IOException it cannot be copied.
     * @throws IllegalArgumentException the public key is none.
     */
    fun open(): Bundle {
        val key = publicKeyOf(publicKey)
        val check: (Path) -> Unit = { openBundle(it, key) }
        return try {
            openBundle(installer.install(check), key, wasChecked = true)
        } catch (_: DamagedBundleException) {
            openBundle(installer.installAgain(check), key, wasChecked = true)
        }
    }
}
