package org.pocketbert.app

import org.junit.jupiter.api.io.TempDir
import org.pocketbert.core.DamagedBundleException
import org.pocketbert.core.NoBundleException
import org.pocketbert.core.UntrustedBundleException
import java.io.File
import java.util.Base64
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull

class CarriedBundleTest(@param:TempDir private val folder: File) {
    private val source = carriedIn(folder)
    private val installer =
        BundleInstaller(FolderAssets(folder), "pocketbert", File(folder, "bundles"))
    private val key = File(fixture, "public-key.bin").readBytes()

    private fun open(pem: String = "") = CarriedBundle(installer, pem).open()

    @Test
    fun copyOpensWithAndWithoutTheKeyThatSignedIt() {
        assertEquals(open().folder, open(pemOf(key)).folder)
    }

    @Test
    fun otherKeyIsRefused() {
        assertFailsWith<UntrustedBundleException> { open(pemOf(ByteArray(32) { 1 })) }
    }

    @Test
    fun bundleWithoutASignatureIsRefusedIfThereIsAKey() {
        File(source, "manifest.sig").delete()
        assertFailsWith<UntrustedBundleException> { open(pemOf(key)) }
    }

    @Test
    fun damagedCopyIsMadeAnew() {
        val model = open().file("tflite/model.tflite").toFile()
        model.appendText("damaged")
        open()
        assertContentEquals(File(source, "tflite/model.tflite").readBytes(), model.readBytes())
    }

    @Test
    fun modelsAreReadWholeWhenTheyAreCopiedAndNotAtEachStart() {
        val model = open().file("tflite/model.tflite").toFile()
        val bytes = model.readBytes().also { it[it.size / 2]++ }
        model.writeBytes(bytes)
        open()
        assertContentEquals(bytes, model.readBytes())
    }

    @Test
    fun damagedModelAmongTheAssetsIsFoundWhenItIsCopied() {
        val model = File(source, "tflite/model.tflite")
        model.writeBytes(model.readBytes().also { it[it.size / 2]++ })
        assertEquals("tflite/model.tflite", assertFailsWith<DamagedBundleException> { open() }.path)
        assertEquals(emptyList(), File(folder, "bundles").list()?.toList())
    }

    @Test
    fun damagedAssetIsToldAfterOneMoreTry() {
        File(source, "tokenizer/vocab.txt").appendText("damaged")
        val failed = assertFailsWith<DamagedBundleException> { open() }
        assertEquals("tokenizer/vocab.txt", failed.path)
    }

    @Test
    fun appWithoutABundleSaysSo() {
        source.deleteRecursively()
        assertFailsWith<NoBundleException> { open() }
    }

    @Test
    fun keyIsReadAsOpenSslWritesIt() {
        assertContentEquals(key, publicKeyOf(pemOf(key)))
        assertContentEquals(key, publicKeyOf(pemOf(key).trim().replace("\n", "\r\n")))
        assertNull(publicKeyOf(" \n"))
    }

    @Test
    fun whatIsNoEd25519KeyIsRefused() {
        val others = listOf(
            "not a key",
            pemOf(key).replaceFirst("MCow", "MCox"),
            pemOf(key.copyOf(31)),
            Base64.getEncoder().encodeToString(key),
        )
        for (pem in others) assertFailsWith<IllegalArgumentException> { publicKeyOf(pem) }
    }

    private fun pemOf(key: ByteArray): String {
        val prefix = Base64.getDecoder().decode("MCowBQYDK2VwAyEA")
        val body = Base64.getEncoder().encodeToString(prefix + key)
        return "-----BEGIN PUBLIC KEY-----\n$body\n-----END PUBLIC KEY-----\n"
    }
}
