package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.UnsupportedArtifactException

/**
 * What an artifact knows its two outputs by.
 *
 * @throws UnsupportedArtifactException it has none for a role, or not in floats.
 */
internal class OutputNames(private val artifact: Artifact) {
    val start: String = nameOf("start_logits")
    val end: String = nameOf("end_logits")

    private fun nameOf(role: String): String {
        val output = artifact.outputs.firstOrNull { it.name == role }
            ?: throw UnsupportedArtifactException("the artifact gives no $role")
        if (output.dtype != "float32") {
            throw UnsupportedArtifactException(
                "the artifact gives $role as ${output.dtype}, not as float32",
            )
        }
        return output.artifactName
    }
}
