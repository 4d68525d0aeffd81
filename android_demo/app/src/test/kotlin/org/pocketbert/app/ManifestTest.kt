package org.pocketbert.app

import org.w3c.dom.Element
import org.w3c.dom.NodeList
import java.io.File
import javax.xml.parsers.DocumentBuilderFactory
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

private const val ANDROID = "http://schemas.android.com/apk/res/android"
private const val TOOLS = "http://schemas.android.com/tools"
private const val OWN = "src/main/AndroidManifest.xml"

/** Tags by which an app asks for something, or others reach it. */
private val PERMISSIONS = listOf("uses-permission", "uses-permission-sdk-23", "permission")
private val COMPONENTS = listOf("activity", "activity-alias", "service", "receiver", "provider")

class ManifestTest {
    private val manifest = read(OWN)
    private val application = manifest.all("application").single()

    @Test
    fun appAsksForNoPermission() {
        assertEquals(emptyList(), asked(manifest))
    }

    @Test
    fun permissionThatIsAskedForIsFound() {
        val without = File(OWN).readText().replaceFirst("tools:node=\"removeAll\"", "android:name=\"a.B\"")
        assertEquals(listOf("a.B"), asked(parse(without)))
    }

    @Test
    fun noLibraryCanAddAPermission() {
        for (tag in PERMISSIONS) {
            assertEquals("removeAll", manifest.all(tag).single().getAttributeNS(TOOLS, "node"), tag)
        }
    }

    @Test
    fun nothingIsBackedUpAndNothingIsSentInClearText() {
        assertEquals("false", application.getAttributeNS(ANDROID, "allowBackup"))
        assertEquals("false", application.getAttributeNS(ANDROID, "usesCleartextTraffic"))
        assertEquals(
            "@xml/data_extraction_rules",
            application.getAttributeNS(ANDROID, "dataExtractionRules"),
        )
        val rules = read("src/main/res/xml/data_extraction_rules.xml")
        assertEquals(0, rules.all("include").size)
        for (way in listOf("cloud-backup", "device-transfer")) {
            val excluded = rules.all(way).single().all("exclude")
            assertTrue(excluded.all { it.getAttribute("path") == "." })
            assertEquals(
                setOf("", "device_").flatMap { place ->
                    listOf("root", "file", "database", "sharedpref").map { place + it }
                }.toSet() + "external",
                excluded.map { it.getAttribute("domain") }.toSet(),
            )
        }
    }

    @Test
    fun othersReachTheLauncherActivityAlone() {
        val components = COMPONENTS.flatMap { manifest.all(it) }.filterNot { it.isRemoved }
        val activity = components.single { it.getAttributeNS(ANDROID, "exported") != "false" }
        assertEquals("true", activity.getAttributeNS(ANDROID, "exported"))
        val names = activity.all("action") + activity.all("category")
        assertEquals(
            listOf("android.intent.action.MAIN", "android.intent.category.LAUNCHER"),
            names.map { it.getAttributeNS(ANDROID, "name") },
        )
        assertEquals("org.pocketbert.app.MainActivity", activity.getAttributeNS(ANDROID, "name"))
        assertTrue(File("src/android/kotlin/org/pocketbert/app/MainActivity.kt").isFile)
    }

    @Test
    fun rightToLeftIsSupported() {
        assertEquals("true", application.getAttributeNS(ANDROID, "supportsRtl"))
    }

    @Test
    fun everyResourceThatIsNamedIsThere() {
        val files = File("src/main/res").walk().filter { it.isFile }.toList()
        val there = files.flatMap { file ->
            val kind = file.parentFile.name.substringBefore('-')
            if (kind != "values") return@flatMap listOf("$kind/${file.nameWithoutExtension}")
            val root = read(file.path)
            listOf("string", "style", "color").flatMap { tag ->
                root.all(tag).map { "$tag/${it.getAttribute("name")}" }
            }
        }
        val named = (files + File(OWN)).flatMap { file ->
            Regex("\"@([a-z]+/[A-Za-z_.]+)\"").findAll(file.readText()).map { it.groupValues[1] }
        }
        assertTrue(named.size >= 6)
        assertEquals(emptySet(), named.toSet() - there.toSet())
    }

    private fun asked(manifest: Element): List<String> =
        PERMISSIONS.flatMap { manifest.all(it) }.filterNot { it.isRemoved }
            .map { it.getAttributeNS(ANDROID, "name") }

    private val Element.isRemoved get() = getAttributeNS(TOOLS, "node").startsWith("remove")

    private fun read(path: String): Element = parse(File(path).readText())

    private fun parse(xml: String): Element =
        DocumentBuilderFactory.newInstance().apply { isNamespaceAware = true }
            .newDocumentBuilder().parse(xml.byteInputStream()).documentElement

    private fun Element.all(tag: String): List<Element> {
        val found: NodeList = getElementsByTagName(tag)
        return (0 until found.length).map { found.item(it) as Element }
    }
}
