package org.pocketbert.app

import java.util.Base64

/** What stands before the 32 bytes of the key: SubjectPublicKeyInfo of Ed25519 (RFC 8410). */
private val PREFIX = byteArrayOf(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0)
private const val KEY_BYTES = 32

/**
 * Returns the 32 bytes of a public key, or null where there is none.
 *
 * @param pem as `openssl pkey -pubout` writes it, or null.
 * @throws IllegalArgumentException it is no Ed25519 key.
 */
fun publicKeyOf(pem: String): ByteArray? {
    if (pem.isBlank()) return null
    val lines = pem.lineSequence().filterNot { it.startsWith("-----") }
    val text = lines.joinToString("") { it.trim() }
    val bytes = Base64.getDecoder().decode(text)
    require(
        bytes.size == PREFIX.size + KEY_BYTES && bytes.copyOf(PREFIX.size).contentEquals(PREFIX),
    ) { "the app's public key is no Ed25519 key in PEM" }
    return bytes.copyOfRange(PREFIX.size, bytes.size)
}
