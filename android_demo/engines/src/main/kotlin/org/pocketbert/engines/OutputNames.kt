package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.UnsupportedArtifactException

/**
 * Returns what an artifact knows its outputs by, by their roles.
 *
 * @throws UnsupportedArtifactException one is not in floats.
 */
internal fun outputNames(artifact: Artifact): Map<String, String> = artifact.outputs.associate {
    if (it.dtype != "float32") {
        throw UnsupportedArtifactException(
            "the artifact gives ${it.name} as ${it.dtype}, not as float32",
        )
    }
    it.name to it.artifactName
}
