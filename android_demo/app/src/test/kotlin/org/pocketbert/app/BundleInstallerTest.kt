package org.pocketbert.app

import org.junit.jupiter.api.io.TempDir
import org.pocketbert.core.DamagedBundleException
import org.pocketbert.core.NoBundleException
import org.pocketbert.core.NoRoomException
import java.io.File
import java.io.IOException
import kotlin.io.path.name
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotEquals
import kotlin.test.assertTrue

class BundleInstallerTest(@param:TempDir private val folder: File) {
    private val assets = FolderAssets(folder)
    private val source = carriedIn(folder)
    private val target = File(folder, "private/bundles")
    private val installer = BundleInstaller(assets, "pocketbert", target)

    /** Where the copy of this bundle is to lie. */
    private val copy =
        File(target, BundleInstaller(assets, "pocketbert", File(folder, "other")).install {}.name)

    @Test
    fun copyHoldsEveryFileOfTheAssets() {
        assertEquals(copy.toPath(), installer.install {})
        assertEquals(filesOf(source), filesOf(copy))
        for (name in filesOf(source)) {
            assertContentEquals(File(source, name).readBytes(), File(copy, name).readBytes())
        }
    }

    @Test
    fun secondStartReadsTheManifestAlone() {
        installer.install {}
        assets.numOpened = 0
        assertEquals(copy.toPath(), installer.install {})
        assertEquals(1, assets.numOpened)
    }

    @Test
    fun newManifestTakesThePlaceOfTheOldCopy() {
        val old = installer.install {}
        File(source, "manifest.json").appendText(" ")
        val new = installer.install {}
        assertNotEquals(old, new)
        assertEquals(listOf(new.name), target.list()?.toList())
    }

    @Test
    fun failureAtAnyFileLeavesNothingAndTheNextStartMakesACopy() {
        val numFiles = filesOf(source).size
        for (failedAt in 2..numFiles + 1) {
            target.deleteRecursively()
            assets.numOpened = 0
            assets.onOpen = { if (assets.numOpened == failedAt) throw IOException("unreadable") }
            assertFailsWith<IOException> { installer.install {} }
            assertEquals(emptyList(), target.list()?.toList())
            assets.onOpen = {}
            assertEquals(filesOf(source), filesOf(installer.install {}.toFile()))
            assertEquals(1, target.list()?.size)
        }
    }

    @Test
    fun copyGetsItsNameWhenItWasChecked() {
        var checked: File? = null
        installer.install {
            checked = it.toFile()
            assertEquals(filesOf(source), filesOf(it.toFile()))
            assertFalse(copy.exists())
        }
        assertNotEquals(copy, checked)
        installer.install { throw AssertionError("what is there is not checked again") }
    }

    @Test
    fun copyThatIsNotWhatItShouldBeIsNotLeft() {
        assertFailsWith<DamagedBundleException> {
            installer.install { throw DamagedBundleException("a.bin", "damaged") }
        }
        assertEquals(emptyList(), target.list()?.toList())
    }

    @Test
    fun fullDiskIsToldBeforeAnythingIsCopied() {
        val full = BundleInstaller(assets, "pocketbert", target) { bytesOf(source) - 7 }
        assets.numOpened = 0
        assertEquals(7, assertFailsWith<NoRoomException> { full.install {} }.missingBytes)
        assertEquals(1, assets.numOpened) // of the manifest
        assertEquals(emptyList(), target.list()?.toList())

        val just = BundleInstaller(assets, "pocketbert", target) { bytesOf(source) }
        assertEquals(copy.toPath(), just.install {})
    }

    @Test
    fun diskThatIsFilledMeanwhileIsToldAndNoHalfCopyIsLeft() {
        var free = Long.MAX_VALUE
        assets.numOpened = 0
        val filled = BundleInstaller(assets, "pocketbert", target) { free }
        assets.onOpen = {
            if (assets.numOpened == 3) {
                free = 0
                throw IOException("No space left on device")
            }
        }
        val failed = assertFailsWith<NoRoomException> { filled.install {} }
        assertEquals(bytesOf(source), failed.missingBytes)
        assertEquals("No space left on device", failed.cause?.message)
        assertEquals(emptyList(), target.list()?.toList())
    }

    @Test
    fun fileThatIsThereFromAKilledStartIsNotTakenOver() {
        File(target, "incoming/tokenizer").mkdirs()
        File(target, "incoming/tokenizer/more.txt").writeText("from another version")
        assertEquals(filesOf(source), filesOf(installer.install {}.toFile()))
    }

    @Test
    fun installingAgainMakesAFreshCopy() {
        val vocabulary = installer.install {}.resolve("tokenizer/vocab.txt").toFile()
        vocabulary.writeText("damaged")
        assertEquals(copy.toPath(), installer.installAgain {})
        assertContentEquals(File(source, "tokenizer/vocab.txt").readBytes(), vocabulary.readBytes())
    }

    @Test
    fun appWithoutABundleSaysSo() {
        source.deleteRecursively()
        assertFailsWith<NoBundleException> { installer.install {} }
        source.mkdir()
        assertFailsWith<NoBundleException> { installer.install {} }
        assertTrue(target.list().isNullOrEmpty())
    }

    private fun bytesOf(root: File): Long = root.walk().filter { it.isFile }.sumOf { it.length() }

    private fun filesOf(root: File): Set<String> =
        root.walk().filter { it.isFile }.map { it.relativeTo(root).path }.toSet()
}
