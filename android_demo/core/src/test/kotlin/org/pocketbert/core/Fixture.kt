package org.pocketbert.core

import java.nio.file.Path
import kotlin.io.path.ExperimentalPathApi
import kotlin.io.path.copyToRecursively
import kotlin.io.path.createDirectories
import kotlin.io.path.readBytes
import kotlin.io.path.readText
import kotlin.io.path.writeBytes
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** What Python wrote: the files beside these tests, or those that a system property names. */
object Fixture {
    private val resources = Path.of("src", "test", "resources")

    val bundle = of("pocketbert.bundle", "bundle")
    val vectors = of("pocketbert.vectors", "vectors")
    val artifactLogits = of("pocketbert.logits", "artifact-logits.json")

    /** Lies beside the bundle. */
    val publicKey = bundle.resolveSibling("public-key.bin").readBytes()

    val opened by lazy { openBundle(bundle, publicKey) }

    /** Opens a tokenizer of the vectors. */
    fun openTokenizer(name: String): Tokenizer {
        val folder = vectors.resolve(name)
        return openTokenizer(settings(name).tokenizer) { folder.resolve(it).readBytes() }
    }

    fun settings(name: String): Settings =
        json.decodeFromString(vectors.resolve(name).resolve("settings.json").readText())

    /** Copies the bundle, to be damaged. */
    @OptIn(ExperimentalPathApi::class)
    fun copyBundle(folder: Path): Path {
        val copy = folder.resolve("bundle").createDirectories()
        return bundle.copyToRecursively(copy, followLinks = false, overwrite = true)
    }

    private fun of(property: String, name: String): Path =
        System.getProperty(property)?.let(Path::of) ?: resources.resolve(name)
}

/** Ignores what only people and Python read. */
val json = Json { ignoreUnknownKeys = true }

/** Writes a changed manifest with its right hash, as whoever made it would have. */
fun rewriteManifest(folder: Path, change: (MutableMap<String, JsonElement>) -> Unit) {
    val path = folder.resolve(MANIFEST)
    val content = Json.parseToJsonElement(path.readText()) as JsonObject
    val changed = content.toMutableMap().apply { remove("manifest_sha256") }.also(change)
    val hash = sha256(canonical(changed))
    path.writeBytes(canonical(changed + ("manifest_sha256" to JsonPrimitive(hash))))
}

private fun canonical(content: Map<String, JsonElement>): ByteArray =
    "${sorted(JsonObject(content))}\n".toByteArray()

private fun sorted(element: JsonElement): JsonElement =
    when (element) {
        is JsonObject -> JsonObject(element.toSortedMap().mapValues { sorted(it.value) })
        is JsonArray -> JsonArray(element.map(::sorted))
        else -> element
    }
