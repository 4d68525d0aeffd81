package org.pocketbert.app

import org.pocketbert.engines.RuntimeVersions
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNotEquals

/** What Gradle builds the app with, and what Maven builds here. */
class VersionsTest {
    private val catalogue = File("../gradle/libs.versions.toml").readLines()
        .dropWhile { it != "[versions]" }.takeWhile { it != "[libraries]" }
        .mapNotNull { Regex("(\\w+) = \"(.+)\"").matchEntire(it) }
        .associate { it.groupValues[1] to it.groupValues[2] }

    @Test
    fun mavenHasTheVersionsOfTheCatalogue() {
        val maven = propertiesOf("../pom.xml") + propertiesOf("../engines/libraries/pom.xml")
        val both = catalogue.keys.filter { "$it.version" in maven }
        assertEquals(
            setOf("kotlin", "serialization", "coroutines", "bouncycastle", "executorch"),
            both.toSet(),
        )
        for (name in both) assertEquals(catalogue[name], maven["$name.version"], name)
    }

    @Test
    fun appSaysWhichRuntimesItIsBuiltWith() {
        assertEquals(catalogue["executorch"], RuntimeVersions.EXECUTORCH)
        assertEquals(catalogue["litert"], RuntimeVersions.LITERT)
    }

    @Test
    fun appRunsOnAndroid8AndLaterAndKnowsAndroid16() {
        assertEquals("26", catalogue["minSdk"])
        assertEquals("36", catalogue["compileSdk"])
        val maven = propertiesOf("pom.xml")
        assertEquals("16", maven.getValue("android.version").substringBefore('-'))
    }

    @Test
    fun gradleBuildsTheModulesThatMavenBuilds() {
        val gradle = Regex("\":(\\w+)\"").findAll(File("../settings.gradle.kts").readText())
            .map { it.groupValues[1] }.toSet()
        assertEquals(setOf("core", "engines", "ui", "app"), gradle)
        for (module in gradle) {
            assertNotEquals(0, File("../$module/build.gradle.kts").length(), module)
        }
    }

    @Test
    fun buildFilesNameNoVersionThatTheCatalogueShouldHold() {
        for (file in File("..").walk().maxDepth(2).filter { it.name == "build.gradle.kts" }) {
            val named = Regex("\"[\\w.-]+:[\\w.-]+:[^\"]+\"").findAll(file.readText()).toList()
            assertEquals(emptyList(), named.map { it.value }, file.path)
        }
    }

    private fun propertiesOf(pom: String): Map<String, String> =
        Regex("<([\\w.-]+\\.version)>([^<$]+)</").findAll(File(pom).readText())
            .associate { it.groupValues[1] to it.groupValues[2] }
}
