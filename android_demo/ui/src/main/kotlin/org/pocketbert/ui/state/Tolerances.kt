package org.pocketbert.ui.state

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.double
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.pocketbert.core.Artifact
import org.pocketbert.core.Bundle
import java.nio.file.Files

/** Returns how far an artifact's logits may be from the student's, as the self test has it. */
internal fun toleranceOf(bundle: Bundle, artifact: Artifact): Double {
    val vectors = Json.parseToJsonElement(Files.readString(bundle.file("vectors.json"))).jsonObject
    return vectors.getValue("tolerances").jsonObject.getValue(artifact.path).jsonPrimitive.double
}
