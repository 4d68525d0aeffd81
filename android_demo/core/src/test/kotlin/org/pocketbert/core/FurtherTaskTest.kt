package org.pocketbert.core

import java.nio.file.Path
import kotlin.io.path.writeText
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** A task of one file that nothing else knows: three numbers of a row tell how a text is meant. */
private class Mood(
    override val maxTextCharacters: Int,
    isLoud: Boolean,
    labels: List<String>,
) : Task {
    private val labels = if (isLoud) labels.map { it.uppercase() } else labels
    private val check = TextCheck(maxTextCharacters, 1.0, UNKNOWN_ID)

    override val texts = listOf("text")
    override val approximate = setOf("score")
    override val leastTokens = 3
    override val outputs = listOf(TaskOutput("logits", isPerToken = false, width = 3))

    override fun example(
        texts: Map<String, String>,
        tokenizer: Tokenizer,
        seqLens: List<Int>,
    ): TaskExample {
        val tokens = check.read(TextPart.CONTEXT, texts.getValue("text"), tokenizer)
        val ids = listOf(2) + tokens.indices.map(tokens::id).take(seqLens.last() - 2) + 3
        val seqLen = seqLens.first { it >= ids.size }
        fun padded(value: (Int) -> Int) = IntArray(seqLen) { if (it < ids.size) value(it) else 0 }
        return Heard(Row(padded(ids::get), padded { 1 }, padded { 0 }, ids.size))
    }

    private inner class Heard(row: Row) : TaskExample {
        private var logits = FloatArray(0)
        override val rows = listOf(row)

        override fun offsets(row: Int) = emptyList<List<Int>>()

        override fun add(row: Int, outputs: Outputs) {
            logits = outputs.getValue("logits")
        }

        override fun fields(): Map<String, TaskValue>? {
            if (!logits.all(Float::isFinite)) return null
            val place = logits.indices.maxBy(logits::get)
            return mapOf(
                "label" to TaskValue.Text(labels[place]),
                "score" to TaskValue.Number(logits[place].toDouble()),
            )
        }
    }

    companion object : TaskKind {
        override val name = "mood"

        override fun open(rules: Rules, labels: List<String>, tokenizer: TokenizerSettings): Task {
            require(labels.size == 3) { "task.labels has not three labels" }
            return Mood(
                rules.whole("max_text_characters", 1..1000), rules.truth("is_loud"), labels,
            )
        }
    }
}

/** A further task comes by one more file: manifest, vectors, self test and engines take it so. */
class FurtherTaskTest(@param:TempDir private val temporary: Path) {
    private val folder by lazy { Fixture.copyBundle(temporary) }

    private fun write(
        logits: String = "[0.5,2.5,1.5]",
        answer: String = """{"label":"CALM","score":2.5}""",
        rules: String = """{"max_text_characters":100,"is_loud":true}""",
    ) {
        val ids = listOf(2) + Fixture.opened.tokenizer.ids("the lamp") + 3
        val vectors = """{"texts":[],"seq_lens":[32],"tolerances":{"tflite/model.tflite":0.1},
            "examples":[{"texts":{"text":"the lamp"},"rows":[{"seq_len":32,"input_ids":$ids,
            "outputs":{"logits":$logits}}],"answer":$answer,"other_answer_in":[]}]}"""
        folder.resolve(VECTORS).writeText(vectors)
        rewriteManifest(folder) {
            it["task"] = parse("""{"name":"mood","labels":["glad","calm","sad"],"rules":$rules}""")
            val hash = VECTORS to text(sha256(vectors.toByteArray()))
            it["files"] = JsonObject(it.getValue("files").jsonObject + hash)
            it["artifacts"] = JsonArray(it.getValue("artifacts").jsonArray.map(::withLogits))
        }
    }

    private fun withLogits(artifact: JsonElement): JsonObject {
        val outputs = """[{"artifact_name":"logits","dtype":"float32","name":"logits"}]"""
        return JsonObject(artifact.jsonObject + ("outputs" to parse(outputs)))
    }

    private fun open() = openBundle(folder, null, "android", KNOWN_TASKS + Mood)

    private fun engine(vararg logits: Float) = ScriptedEngine(open().artifact("tflite")) { row ->
        assertEquals(32 to 2, row.seqLen to row.inputIds.first())
        mapOf("logits" to logits)
    }

    @Test
    fun `its bundle opens, its self test passes, and what is wrong with the model is found`() {
        write()
        val bundle = open()
        assertEquals(100, bundle.maxTextCharacters)
        val test = SelfTest(bundle)
        assertEquals(emptyList(), test.checkReading())
        val good = test.checkEngine(engine(0.5F, 2.5F, 1.5F))
        assertEquals(emptyList(), good.problems)
        assertEquals(1 to 1, good.numSame to good.numAsked)
        val other = test.checkEngine(engine(2.7F, 2.5F, 1.5F))
        assertEquals(2, other.problems.size)
        assertContains(other.problems.last(), "label “GLAD”")
        assertTrue(test.checkEngine(engine(Float.NaN, 2.5F, 1.5F)).maxAbsDiff.isInfinite())
        assertFailsWith<EngineException> { test.checkEngine(engine(1F, 2F)) }
    }

    @Test
    fun `an app that does not know it says so`() {
        write()
        val err = assertFailsWith<NewerBundleException> { openBundle(folder) }
        assertContains(err.message.orEmpty(), "a task that this app does not know: mood")
    }

    @Test
    fun `its own rules and vectors are refused by name`() {
        for ((rules, name) in listOf(
            """{"max_text_characters":1001,"is_loud":true}""" to "max_text_characters",
            """{"max_text_characters":100,"is_loud":1}""" to "is_loud",
            """{"is_loud":true}""" to "max_text_characters",
        )) {
            write(rules = rules)
            val err = assertFailsWith<DamagedBundleException> { open() }
            assertContains(err.message.orEmpty(), "task.rules.$name")
        }
        for (logits in listOf("[1,2]", "[1,2,3,4]")) {
            write(logits)
            assertFailsWith<DamagedBundleException> { SelfTest(open()) }
        }
        write(answer = """{"label":"GLAD","score":2.5}""")
        assertContains(SelfTest(open()).checkReading().single(), "another answer")
        write("[0.5,null,1.5]", """{"label":"GLAD","score":null}""")
        assertEquals(emptyList(), SelfTest(open()).checkReading())
    }

    @Test
    fun `it is asked no questions`() {
        write()
        val err = assertFailsWith<UnsupportedArtifactException> {
            Reader(open(), engine(1F, 2F, 3F)).ask("What?", "The lamp.")
        }
        assertContains(err.message.orEmpty(), "mood")
    }
}
