package org.pocketbert.core

/**
 * Refuses an artifact that wants a newer runtime than the app holds.
 *
 * @param versions of the app's runtimes, by the name that the manifest's `requires` uses.
 * @throws UnsupportedArtifactException one of them is too old, or is not there.
 */
fun checkRuntime(artifact: Artifact, versions: Map<String, String>) {
    for ((runtime, least) in artifact.requires) {
        val own = versions[runtime] ?: throw UnsupportedArtifactException(
            "${artifact.path} runs on $runtime $least, which this app or phone does not have",
        )
        if (!isAtLeast(own, least)) {
            throw UnsupportedArtifactException(
                "${artifact.path} needs $runtime $least or newer, and this app holds $own: " +
                    "update the app",
            )
        }
    }
}

/** Compares number by number; what is not there counts 0. A version of other signs is too old. */
private fun isAtLeast(version: String, least: String): Boolean {
    val own = versionNumbers(version) ?: return false
    val needed = versionNumbers(least) ?: return false
    for (place in 0 until maxOf(own.size, needed.size)) {
        val difference = (own.getOrElse(place) { 0 }).compareTo(needed.getOrElse(place) { 0 })
        if (difference != 0) return difference > 0
    }
    return true
}

/** Returns the numbers between the dots, or null where there is another sign. */
internal fun versionNumbers(version: String): List<Int>? =
    version.split('.').map { part ->
        // Kotlin's own reading of numbers takes digits of every script.
        if (part.length !in 1..MOST_DIGITS || part.any { it !in '0'..'9' }) return null
        part.toInt()
    }

private const val MOST_DIGITS = 9
