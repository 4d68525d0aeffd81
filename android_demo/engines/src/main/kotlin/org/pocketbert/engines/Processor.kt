package org.pocketbert.engines

import java.io.File
import java.io.IOException

/** What this phone's processor meets of an artifact's `requires`. */
internal fun processorVersions(): Map<String, String> {
    val cpuinfo = try {
        File("/proc/cpuinfo").readText()
    } catch (_: IOException) {
        ""
    }
    return processorVersions(System.getProperty("os.arch").orEmpty(), cpuinfo)
}

/**
 * Returns `arm64-fp16`, arithmetic in half precision, if every core lists it: it came with Armv8.2
 * as an option. Processors that are not arm64 are not asked for it.
 *
 * @param architecture as the system property `os.arch` names it.
 * @param cpuinfo the text of `/proc/cpuinfo`.
 */
internal fun processorVersions(architecture: String, cpuinfo: String): Map<String, String> {
    val features = cpuinfo.lines()
        .filter { it.startsWith("Features") }
        .map { it.substringAfter(':').trim().split(' ').toSet() }
    val everyCoreHasIt = features.isNotEmpty() && features.all { it.containsAll(HALF_PRECISION) }
    return if (architecture != ARM64 || everyCoreHasIt) mapOf("arm64-fp16" to "8.2") else emptyMap()
}

private const val ARM64 = "aarch64"
private val HALF_PRECISION = setOf("fphp", "asimdhp")
