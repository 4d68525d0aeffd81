package org.pocketbert.packaging

import com.android.manifmerger.Merger
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.w3c.dom.Element
import java.io.File
import java.util.zip.ZipFile
import javax.xml.parsers.DocumentBuilderFactory
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertTrue

private const val ANDROID = "http://schemas.android.com/apk/res/android"
private val OWN = File("../app/src/main/AndroidManifest.xml")
private val STATED = File("src/test/resources/manifests")

/** Tags by which an app asks for something, declares what others ask for, or is found. */
private val ASKING = setOf(
    "uses-permission", "uses-permission-sdk-23", "permission", "permission-group",
    "permission-tree", "instrumentation", "queries",
)
private val COMPONENTS = setOf("activity", "activity-alias", "service", "receiver", "provider")

/** All that the app may be made of. What is not in this list is a mistake, whoever brings it. */
private val LISTED = setOf(
    "activity org.pocketbert.app.MainActivity exported=true",
    "provider androidx.startup.InitializationProvider exported=false",
    "starter androidx.lifecycle.ProcessLifecycleInitializer",
    "starter androidx.profileinstaller.ProfileInstallerInitializer",
)

/** The app's manifest and those of its libraries, as the Android Gradle plugin merges them. */
class MergedManifestTest(@param:TempDir private val folder: File) {
    private val libraries: List<File> =
        File("target/aar").listFiles { it.extension == "aar" }.orEmpty().map(::manifestOf) +
            listOf("litert", "executorch").map { File(STATED, "$it.xml") }

    @Test
    fun `the app asks for no permission, and has the listed components alone`() {
        assertTrue(libraries.size >= 10, "$libraries")
        assertEquals(LISTED, foundIn(merged(OWN, libraries)))
    }

    @Test
    fun `what the libraries ask for is found where the app does not remove it`() {
        val plain = File(folder, "plain.xml").apply {
            writeText(
                """<manifest xmlns:android="$ANDROID" package="org.pocketbert.app">
                <application /></manifest>""",
            )
        }
        val found = foundIn(merged(plain, libraries))
        for (asked in listOf("FOREGROUND_SERVICE", "FOREGROUND_SERVICE_DATA_SYNC")) {
            assertContains(found, "uses-permission android.permission.$asked")
        }
        val dynamic = "org.pocketbert.app.DYNAMIC_RECEIVER_NOT_EXPORTED_PERMISSION"
        assertContains(found, "uses-permission $dynamic")
        assertContains(found, "permission $dynamic")
        assertContains(found, "starter androidx.emoji2.text.EmojiCompatInitializer")
        assertContains(
            found,
            "receiver androidx.profileinstaller.ProfileInstallReceiver exported=true",
        )
        assertContains(found, "instrumentation androidx.test.runner.AndroidJUnitRunner")
    }

    @Test
    fun `of a library that wants too much no permission is left, and its components are found`() {
        val found = foundIn(merged(OWN, libraries + File(STATED, "greedy.xml")))
        assertEquals(
            setOf(
                "activity org.example.greedy.Door exported=true",
                "service org.example.greedy.Fetcher exported=false",
                "receiver org.example.greedy.AtBoot exported=true",
                "starter org.example.greedy.Starter",
            ),
            found - LISTED,
        )
    }

    @Test
    fun `a library for no stated Android brings permissions, which are found`() {
        val old = File(folder, "old.xml").apply {
            writeText("""<manifest package="org.example.old"><application /></manifest>""")
        }
        val found = foundIn(merged(OWN, libraries + old)) - LISTED
        assertContains(found, "uses-permission android.permission.READ_PHONE_STATE")
    }

    private fun manifestOf(aar: File): File =
        File(folder, "${aar.nameWithoutExtension}.xml").apply {
            ZipFile(aar).use { zip ->
                val entry = zip.getEntry("AndroidManifest.xml")
                writeBytes(zip.getInputStream(entry).readBytes())
            }
        }

    private fun merged(own: File, libraries: List<File>): Element {
        val out = File(folder, "merged.xml")
        val code = Merger().process(
            arrayOf(
                "--main", own.path, "--libs", libraries.joinToString(File.pathSeparator),
                "--property", "PACKAGE=org.pocketbert.app",
                "--property", "MIN_SDK_VERSION=26", "--property", "TARGET_SDK_VERSION=36",
                "--remove-tools-declarations", "--out", out.path,
            ),
        )
        assertEquals(0, code)
        return DocumentBuilderFactory.newInstance().apply { isNamespaceAware = true }
            .newDocumentBuilder().parse(out).documentElement
    }

    private fun foundIn(manifest: Element): Set<String> {
        val all = manifest.getElementsByTagName("*")
        return (0 until all.length).map { all.item(it) as Element }.mapNotNull(::said).toSet()
    }

    private fun said(element: Element): String? {
        val name = element.getAttributeNS(ANDROID, "name")
        val isStarter = element.getAttributeNS(ANDROID, "value") == "androidx.startup"
        return when {
            element.tagName in ASKING -> "${element.tagName} $name".trim()
            element.tagName in COMPONENTS ->
                "${element.tagName} $name exported=${element.getAttributeNS(ANDROID, "exported")}"
            isStarter -> "starter $name"
            else -> null
        }
    }
}
