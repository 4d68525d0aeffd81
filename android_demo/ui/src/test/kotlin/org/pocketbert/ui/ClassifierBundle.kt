package org.pocketbert.ui

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import java.nio.file.Path
import java.security.MessageDigest
import kotlin.io.path.deleteExisting
import kotlin.io.path.readText
import kotlin.io.path.writeText

private const val HASH = "manifest_sha256"

private fun taskOf(isPair: Boolean) = Json.parseToJsonElement(
    """
    {"labels": ["negative", "so-so", "positive"], "name": "text-classification", "rules": {
    "long_text": "windows", "max_first_tokens": 8, "max_text_characters": 200000,
    "max_unknown_share": 1.0, "pair": $isPair, "problem_type": "single_label_classification",
    "threshold": 0.5, "window_overlap_tokens": 2}}
    """,
)

/**
 * Returns the fixture bundle, changed to one that labels texts. Its engines are fakes, which give the
 * logits; its vectors are those of questions.
 */
fun classifierBundle(isPair: Boolean): Path {
    val folder = Path.of("target", "classifiers", if (isPair) "pair" else "single")
    FIXTURE.toFile().copyRecursively(folder.toFile(), overwrite = true)
    folder.resolve("manifest.sig").deleteExisting()
    val file = folder.resolve("manifest.json")
    val outputs = Regex("\"outputs\":\\[\\{.+?\\}\\]")
    val logits = "\"outputs\":[{\"artifact_name\":\"0\",\"dtype\":\"float32\",\"name\":\"logits\"}]"
    val stated = Json.parseToJsonElement(outputs.replace(file.readText(), logits)).jsonObject
    val changed = stated - HASH + ("task" to taskOf(isPair))
    file.writeText(canonical(changed + (HASH to JsonPrimitive(sha256(canonical(changed))))))
    return folder
}

/** As bundles have it: sorted keys, no spaces, a newline. */
private fun canonical(content: Map<String, JsonElement>): String =
    "${JsonObject(content.toSortedMap())}\n"

private fun sha256(text: String): String =
    MessageDigest.getInstance("SHA-256").digest(text.encodeToByteArray()).toHexString()
