package org.pocketbert.core

import java.nio.file.Files
import java.nio.file.Path
import kotlin.experimental.xor
import kotlin.io.path.createDirectory
import kotlin.io.path.createSymbolicLinkPointingTo
import kotlin.io.path.deleteExisting
import kotlin.io.path.moveTo
import kotlin.io.path.readBytes
import kotlin.io.path.writeBytes
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import org.junit.jupiter.params.provider.ValueSource

class OpenBundleTest(@param:TempDir private val temporary: Path) {
    private val folder by lazy { Fixture.copyBundle(temporary) }

    @Test
    fun `a good bundle opens, with its key and without`() {
        for (key in listOf(Fixture.publicKey, null)) {
            val bundle = openBundle(folder, key)
            assertEquals("executorch/model.pte", bundle.artifact("executorch").path)
            assertEquals(folder.resolve("vectors.json"), bundle.file("vectors.json"))
        }
    }

    @Test
    fun `of a copy that was checked, models may be other bytes of the same number`() {
        val model = folder.resolve("tflite/model.tflite")
        val bytes = model.readBytes()
        bytes[bytes.size / 2] = bytes[bytes.size / 2] xor 1
        model.writeBytes(bytes)
        assertEquals(folder, openBundle(folder, Fixture.publicKey, wasChecked = true).folder)
        assertFailsWith<DamagedBundleException> { openBundle(folder, Fixture.publicKey) }

        model.writeBytes(bytes.copyOf(bytes.size - 1))
        assertFailsWith<DamagedBundleException> { openBundle(folder, wasChecked = true) }
        model.deleteExisting()
        assertFailsWith<DamagedBundleException> { openBundle(folder, wasChecked = true) }
    }

    @Test
    fun `of a copy that was checked, all that is no model is checked again`() {
        for (path in listOf("vectors.json", "tokenizer/vocab.txt")) {
            val file = folder.resolve(path)
            val bytes = file.readBytes()
            file.writeBytes(bytes.copyOf().also { it[0] = it[0] xor 1 })
            val failed = assertFailsWith<DamagedBundleException> {
                openBundle(folder, wasChecked = true)
            }
            assertEquals(path, failed.path)
            file.writeBytes(bytes)
        }
    }

    @Test
    fun `a folder without a bundle is told`() {
        assertFailsWith<NoBundleException> { openBundle(temporary.resolve("absent")) }
        assertFailsWith<NoBundleException> { openBundle(temporary, Fixture.publicKey) }
    }

    @Test
    fun `a bundle has no model for a backend that is not on this platform`() {
        val err = assertFailsWith<UnsupportedArtifactException> {
            openBundle(folder).artifact("coreml")
        }
        assertContains(err.message.orEmpty(), "coreml")
        assertFailsWith<DamagedBundleException> { openBundle(folder).file("parity.json") }
    }

    @Test
    fun `a bundle for another platform is told`() {
        rewriteManifest(folder) { it["platforms"] = objectOf("ios" to "[]") }
        val err = assertFailsWith<UnsupportedArtifactException> { openBundle(folder) }
        assertContains(err.message.orEmpty(), "android")
    }

    @ParameterizedTest
    @MethodSource("paths")
    fun `a file with one other bit is found`(path: String) {
        val file = folder.resolve(path)
        val bytes = file.readBytes()
        bytes[bytes.size / 2] = bytes[bytes.size / 2] xor 1
        file.writeBytes(bytes)
        assertDamaged(path)
    }

    @ParameterizedTest
    @MethodSource("paths")
    fun `a file that is absent, cut, a folder or a link to elsewhere is found`(path: String) {
        val file = folder.resolve(path)
        val elsewhere = temporary.resolve("elsewhere")
        file.moveTo(elsewhere)
        assertDamaged(path)
        file.writeBytes(ByteArray(0))
        assertDamaged(path)
        file.deleteExisting()
        file.createSymbolicLinkPointingTo(elsewhere)
        assertDamaged(path)
        file.deleteExisting()
        file.createDirectory()
        assertDamaged(path)
    }

    @Test
    fun `a file that the manifest does not list is ignored`() {
        folder.resolve("report.html").writeBytes(ByteArray(9))
        openBundle(folder, Fixture.publicKey)
    }

    @Test
    fun `a manifest with another byte is refused, wherever it is`() {
        val path = folder.resolve(MANIFEST)
        val bytes = path.readBytes()
        for (place in bytes.indices) {
            for (flip in listOf<Byte>(0x01, 0x20, -1)) {
                val changed = bytes.copyOf().also { it[place] = it[place] xor flip }
                assertFailsWith<DamagedBundleException>("$flip at $place") { readManifest(changed) }
            }
        }
        path.writeBytes(bytes.copyOf().also { it[9] = it[9] xor 1 })
        assertFailsWith<UntrustedBundleException> { openBundle(folder, Fixture.publicKey) }
        assertFailsWith<DamagedBundleException> { openBundle(folder) }
    }

    @ParameterizedTest
    @ValueSource(ints = [0, 1, 63, 65, 4096])
    fun `a signature of another length is refused`(size: Int) {
        folder.resolve(SIGNATURE).writeBytes(ByteArray(size))
        assertFailsWith<UntrustedBundleException> { openBundle(folder, Fixture.publicKey) }
        openBundle(folder)
    }

    @Test
    fun `a signature of garbage, with another bit, or of another key is refused`() {
        val path = folder.resolve(SIGNATURE)
        val right = path.readBytes()
        val wrong = listOf(ByteArray(64) { -1 }, ByteArray(64) { (7 * it).toByte() }) +
            (0 until 64).map { place -> right.copyOf().also { it[place] = it[place] xor 0x10 } }
        for (signature in wrong) {
            path.writeBytes(signature)
            assertFailsWith<UntrustedBundleException> { openBundle(folder, Fixture.publicKey) }
        }
        path.writeBytes(right)
        assertFailsWith<UntrustedBundleException> { openBundle(folder, OTHER_KEY) }
        openBundle(folder, Fixture.publicKey)
    }

    @Test
    fun `a bundle that is not signed is refused by an app with a key alone`() {
        folder.resolve(SIGNATURE).deleteExisting()
        val err = assertFailsWith<UntrustedBundleException> {
            openBundle(folder, Fixture.publicKey)
        }
        assertContains(err.message.orEmpty(), "not signed")
        openBundle(folder)
    }

    @Test
    fun `a signed manifest does not vouch for one that was put in its place`() {
        rewriteManifest(folder) { it["pocketbert_version"] = text("9.9.9") }
        openBundle(folder)
        assertFailsWith<UntrustedBundleException> { openBundle(folder, Fixture.publicKey) }
    }

    private fun assertDamaged(path: String) {
        val err = assertFailsWith<DamagedBundleException> { openBundle(folder) }
        assertEquals(path, err.path)
        assertContains(err.message.orEmpty(), path)
    }

    private companion object {
        /** Of the first test of RFC 8032. */
        val OTHER_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
            .chunked(2).map { it.toInt(16).toByte() }.toByteArray()

        @JvmStatic
        fun paths(): List<String> =
            readManifest(Files.readAllBytes(Fixture.bundle.resolve(MANIFEST)))
                .platforms.getValue("android")
    }
}
