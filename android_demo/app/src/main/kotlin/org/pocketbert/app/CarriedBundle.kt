package org.pocketbert.app

import org.pocketbert.core.Bundle
import org.pocketbert.core.DamagedBundleException
import org.pocketbert.core.openBundle

/**
 * The bundle that the app carries.
 *
 * @param publicKey in PEM, or null; given, its owner must have signed the bundle.
 */
class CarriedBundle(private val installer: BundleInstaller, private val publicKey: String) {
    /**
     * Opens the copy on this device; a damaged one is made anew, once.
     *
     * @throws org.pocketbert.core.PocketBertException what is wrong with the bundle itself.
     * @throws java.io.IOException there is no room for it.
     * @throws IllegalArgumentException the public key is none.
     */
    fun open(): Bundle {
        val key = publicKeyOf(publicKey)
        return try {
            openBundle(installer.install(), key)
        } catch (_: DamagedBundleException) {
            openBundle(installer.installAgain(), key)
        }
    }
}
