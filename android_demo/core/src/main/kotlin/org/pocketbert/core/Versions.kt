package org.pocketbert.core

/**
 * Refuses an artifact that wants a newer runtime than the app holds.
 *
 * @param versions of the app's runtimes, by the name that the manifest's `requires` uses.
 * @throws UnsupportedArtifactException one of them is too old, or is not there.
 */
fun checkRuntime(artifact: Artifact, versions: Map<String, String>): Unit =
    TODO("$artifact $versions")
