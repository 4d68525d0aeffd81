package org.pocketbert.core

import java.nio.file.Path
import kotlin.io.path.readBytes
import kotlin.io.path.writeBytes
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource

/** Manifests that someone wrote on purpose: their hash is right. */
class ManifestTest(@param:TempDir private val temporary: Path) {
    private val folder by lazy { Fixture.copyBundle(temporary) }

    @ParameterizedTest
    @ValueSource(strings = ["2.0", "10.7", "999999999.0", "1", "", "1.0.0", "one", "1.x", "١.٠"])
    fun `a version that this app does not know asks for an update`(version: String) {
        rewriteManifest(folder) {
            it["schema_version"] = text(version)
            it["artifacts"] = text("of another kind")
        }
        val err = assertFailsWith<NewerBundleException> { openBundle(folder) }
        assertContains(err.message.orEmpty(), "update the app")
        assertContains(err.message.orEmpty(), version)
    }

    @Test
    fun `unknown keys are an error in this minor version, and ignored in a newer one`() {
        fun write(version: String) = rewriteManifest(folder) {
            it["schema_version"] = text(version)
            it["new"] = objectOf("of" to "[1.5]")
            it["student"] = JsonObject(it.getValue("student").jsonObject + ("new" to text("key")))
        }
        write("1.0")
        val err = assertFailsWith<DamagedBundleException> { openBundle(folder) }
        assertContains(err.message.orEmpty(), "new")
        write("1.1")
        assertEquals("1.1", openBundle(folder).manifest.schemaVersion)
    }

    @ParameterizedTest
    @ValueSource(
        strings = ["/etc/passwd", "../manifest.json", "a/../../b", "..", ".", "", "a\u0000b", "./"],
    )
    fun `a path that leaves the bundle is refused wherever it stands`(path: String) {
        assertRefused { it["files"] = JsonObject(it.getValue("files").jsonObject + (path to HASH)) }
        assertRefused { it["tokenizer"] = changed(it, "tokenizer", "vocabulary" to text(path)) }
        assertRefused { it["tokenizer"] = changed(it, "tokenizer", "unicode_tables" to text(path)) }
        assertRefused { it["artifacts"] = artifacts(it, "path" to text(path)) }
        assertRefused {
            it["files"] = JsonObject(it.getValue("files").jsonObject + (path to HASH))
            it["platforms"] = JsonObject(mapOf("android" to JsonArray(listOf(text(path)))))
        }
    }

    @Test
    fun `what makes no sense is refused`() {
        assertRefused { it["artifacts"] = JsonArray(emptyList()) }
        for (lengths in listOf(
            "[]", "[64,32]", "[32,32]", "[0,64]", "[-1,64]", "[1,3]", "[64,8193]",
        )) {
            assertRefused { it["artifacts"] = artifacts(it, "seq_lens" to parse(lengths)) }
        }
        for ((key, value) in listOf(
            "entry_points" to "[\"one\"]", "inputs" to "[]", "outputs" to "[]",
            "size_bytes" to "-1", "size_bytes" to "17179869185", "requires" to "[]",
            "path" to "\"not/listed\"",
        )) {
            assertRefused { it["artifacts"] = artifacts(it, key to parse(value)) }
        }
        for ((key, value) in listOf(
            "max_question_tokens" to "-1", "window_overlap_tokens" to "-1",
            "max_question_tokens" to "8193", "window_overlap_tokens" to "8193",
            "max_answer_tokens" to "0", "max_answer_tokens" to "8193", "max_text_characters" to "0",
            "max_text_characters" to "10000001", "max_unknown_share" to "1.5",
            "score" to "\"another\"", "max_unknown_share" to "null",
        )) {
            val message = assertRefused { it.editRules { this[key] = parse(value) } }
            assertContains(message, if (value == "null") "null" else "task.rules.$key is ")
        }
        for ((key, value) in listOf(
            "kind" to "\"bpe\"", "special_tokens" to "{\"[PAD]\":0}", "num_pieces" to "0",
            "num_pieces" to "9999999", "max_input_chars_per_word" to "0", "max_input_chars_per_word" to "257",
            "added_tokens" to "{\"[SEP]\":0}", "normalized_added_tokens" to "{\"a\":0}", "second_token_type" to "2",
            "lowercase" to "\"perhaps\"",
        )) {
            assertRefused { it["tokenizer"] = changed(it, "tokenizer", key to parse(value)) }
        }
        for (hash in listOf("AB".repeat(32), "ab".repeat(31), "")) {
            assertRefused { it["files"] = changed(it, "files", "vectors.json" to text(hash)) }
        }
        assertRefused { it["platforms"] = objectOf("android" to "[\"not/listed\"]") }
        assertRefused { it.remove("student") }
    }

    @Test
    fun `a vocabulary that this platform does not list is not read`() {
        rewriteManifest(folder) { it["platforms"] = objectOf("android" to "[\"vectors.json\"]") }
        val err = assertFailsWith<DamagedBundleException> { openBundle(folder) }
        assertEquals("tokenizer/vocab.txt", err.path)
    }

    @Test
    fun `what is no manifest at all is refused`() {
        val path = folder.resolve(MANIFEST)
        val good = path.readBytes()
        val key = "\"manifest_sha256\":\"${"a".repeat(64)}\",".toByteArray()
        val whole = listOf(ByteArray(0), "{}".toByteArray(), good + key, good + good, key)
        for (bytes in whole + unlikely.map(::hashed)) {
            path.writeBytes(bytes)
            assertFailsWith<DamagedBundleException> { openBundle(folder) }
        }
    }

    private val unlikely = listOf(
        "[]", "1", "\"text\"", "{", "null", "", "{\"a\":".repeat(50_000), "[".repeat(50_000),
        "{\"schema_version\":\"1.0\"}", "{\"schema_version\":\"1.0\",\"student\":NaN}",
    ).map { it.toByteArray() } + byteArrayOf(-1, -2, 0x7B)

    /** Puts the hash of bytes behind them, where no reader of JSON would look for it. */
    private fun hashed(bytes: ByteArray): ByteArray =
        bytes + "\"manifest_sha256\":\"${sha256(bytes)}\",".toByteArray()

    @ParameterizedTest
    @ValueSource(strings = ["token-labels", "Question-Answering", "question-answering "])
    fun `a task that this app does not know is told, and asks for an update`(name: String) {
        rewriteManifest(folder) { it["task"] = changed(it, "task", "name" to text(name)) }
        val err = assertFailsWith<NewerBundleException> { openBundle(folder) }
        assertEquals(
            "the bundle was made for a task that this app does not know: $name",
            err.message,
        )
    }

    @Test
    fun `a rule that the task does not know, or misses, is refused by its name`() {
        val names = Fixture.opened.manifest.task.rules.keys
        assertEquals(6, names.size)
        for (name in names) {
            val message = assertRefused { it.editRules { remove(name) } }
            assertContains(message, "task.rules.$name is missing")
        }
        val message = assertRefused { it.editRules { this["extra"] = parse("true") } }
        assertContains(message, "task.rules.extra is not known")
        // The last change is there still, and a newer version may have more rules.
        rewriteManifest(folder) { it["schema_version"] = text("1.1") }
        assertEquals("1.1", openBundle(folder).manifest.schemaVersion)
    }

    @Test
    fun `rules are flat, and no more than 64, labels are bounded, and an answer needs none`() {
        for (value in listOf("null", "[]", "{}", "9007199254740993", "1e999", "NaN", "abc", "01")) {
            assertRefused { it.editRules { this["max_answer_tokens"] = parse(value) } }
            assertRefused { it.editRules { this["extra"] = parse(value) } }
        }
        val many = assertRefused {
            it.editRules { repeat(60) { place -> this["extra $place"] = parse("1") } }
        }
        assertContains(many, "66 members")
        assertRefused { it["task"] = changed(it, "task", "name" to text("")) }
        for ((labels, message) in listOf(
            listOf("good") to "task.labels is not empty",
            listOf("a".repeat(1001)) to "1000 characters",
            List(10_001) { "a" } to "10001 labels",
        )) {
            val stated = JsonArray(labels.map(::text))
            val said = assertRefused { it["task"] = changed(it, "task", "labels" to stated) }
            assertContains(said, message)
        }
    }

    @Test
    fun `an artifact that lacks an output of the task is refused`() {
        val outputs = parse("[{\"artifact_name\":\"0\",\"dtype\":\"float32\",\"name\":\"logits\"}]")
        val message = assertRefused { it["artifacts"] = artifacts(it, "outputs" to outputs) }
        assertContains(message, "gives no start_logits")
    }

    /** Returns what is said. */
    private fun assertRefused(change: (MutableMap<String, JsonElement>) -> Unit): String {
        Fixture.bundle.resolve(MANIFEST).readBytes().let(folder.resolve(MANIFEST)::writeBytes)
        rewriteManifest(folder, change)
        val err = assertFailsWith<DamagedBundleException> { openBundle(folder) }
        return err.message.orEmpty()
    }

    private fun MutableMap<String, JsonElement>.editRules(
        change: MutableMap<String, JsonElement>.() -> Unit,
    ) {
        val rules = getValue("task").jsonObject.getValue("rules").jsonObject.toMutableMap()
        this["task"] = changed(this, "task", "rules" to JsonObject(rules.apply(change)))
    }

    private fun changed(
        manifest: Map<String, JsonElement>,
        key: String,
        change: Pair<String, JsonElement>,
    ) = JsonObject(manifest.getValue(key).jsonObject + change)

    private fun artifacts(
        manifest: Map<String, JsonElement>,
        change: Pair<String, JsonElement>,
    ): JsonArray {
        val artifacts = manifest.getValue("artifacts").jsonArray
        return JsonArray(artifacts.map { JsonObject(it.jsonObject + change) })
    }

    private companion object {
        val HASH = text("ab".repeat(32))
    }
}

internal fun text(value: String) = JsonPrimitive(value)

internal fun parse(json: String): JsonElement = Json.parseToJsonElement(json)

internal fun objectOf(member: Pair<String, String>) =
    JsonObject(mapOf(member.first to parse(member.second)))
