package org.pocketbert.core

import org.bouncycastle.crypto.params.Ed25519PublicKeyParameters
import org.bouncycastle.crypto.signers.Ed25519Signer

internal const val SIGNATURE = "manifest.sig"

/**
 * Refuses a manifest that the owner of a key did not sign: Ed25519 (RFC 8032) over its bytes.
 *
 * Android's own Ed25519 came with API 33, so this asks BouncyCastle.
 *
 * @param signature null where the bundle has none.
 * @param publicKey 32 bytes.
 * @throws UntrustedBundleException it is not signed, or not with this key.
 */
internal fun checkSignature(manifest: ByteArray, signature: ByteArray?, publicKey: ByteArray) {
    if (signature == null) {
        throw UntrustedBundleException("the bundle is not signed, and this app wants it to be")
    }
    val verifier = Ed25519Signer()
    verifier.init(false, Ed25519PublicKeyParameters(publicKey))
    verifier.update(manifest, 0, manifest.size)
    if (!verifier.verifySignature(signature)) {
        throw UntrustedBundleException(
            "$MANIFEST was not signed with the key that this app knows, or changed since",
        )
    }
}
