package org.pocketbert.core

import java.nio.file.Path
import kotlin.io.path.exists
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.name
import kotlin.io.path.readText
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test

/** `labels.json` of the vectors. */
@Serializable
private class LabelsFile(val labels: List<LabelledVector>)

@Serializable
private class LabelledVector(
    val task: TaskDescription,
    val texts: Map<String, String>,
    @SerialName("seq_lens") val seqLens: List<Int>,
    @SerialName("is_cut") val isCut: Boolean,
    val rows: List<LabelledRow>,
    val answer: Map<String, TaskValue?>,
)

@Serializable
private class LabelledRow(
    @SerialName("input_ids") val inputIds: List<Int>,
    @SerialName("attention_mask") val attentionMask: List<Int>,
    @SerialName("token_type_ids") val tokenTypeIds: List<Int>,
    val offsets: List<List<Int>>,
    val logits: List<Double>,
)

private val RULES = mapOf(
    "problem_type" to TaskValue.Text("single_label_classification"),
    "pair" to TaskValue.Truth(false),
    "long_text" to TaskValue.Text("truncate"),
    "window_overlap_tokens" to TaskValue.Whole(2),
    "max_first_tokens" to TaskValue.Whole(2),
    "threshold" to TaskValue.Number(0.5),
    "max_text_characters" to TaskValue.Whole(100),
    "max_unknown_share" to TaskValue.Number(0.5),
)

/** Texts become rows, and logits labels, as they do in Python. */
class TextClassificationTest {
    private val tokenizer = smallTokenizer("a", "b", "c")

    private fun open(
        vararg changes: Pair<String, TaskValue>,
        labels: List<String> = listOf("bad", "good"),
        without: String = "",
    ): TextClassification {
        val rules = Rules(RULES - without + changes)
        val task = TextClassification.open(rules, labels, SETTINGS)
        rules.refuseOthers()
        return task as TextClassification
    }

    private fun fieldsOf(task: TextClassification, vararg logits: Float): Map<String, TaskValue>? {
        val example = task.example(mapOf("text" to "a"), tokenizer, listOf(8))
        example.add(0, mapOf("logits" to logits))
        return example.fields()
    }

    private fun vectorsOf(): List<LabelledVector>? =
        Fixture.vectors.resolve("uncased").resolve("labels.json").takeIf { it.exists() }
            ?.let { json.decodeFromString<LabelsFile>(it.readText()).labels }

    @Test
    fun `every text gives the rows and the labels of Python`() {
        val vectors = vectorsOf()
        assumeTrue(vectors != null, "pocketbert.vectors names no folder with labels.json")
        assertTrue(vectors!!.size > 50 && vectors.any { it.isCut } && vectors.any { it.rows.size > 2 })
        val settings = Fixture.settings("uncased").tokenizer
        val words = Fixture.openTokenizer("uncased")
        for (vector in vectors) {
            val rules = Rules(vector.task.rules)
            val task = TextClassification.open(rules, vector.task.labels, settings)
            val text = vector.texts.getValue("text")
            val made = (task as TextClassification)
                .classified(text, vector.texts["text_pair"], words, vector.seqLens)
            assertEquals(vector.rows.size, made.rows.size, text)
            for ((place, stated) in vector.rows.withIndex()) {
                val row = made.rows[place]
                assertEquals(stated.inputIds, row.inputIds.asList(), text)
                assertEquals(stated.attentionMask, row.attentionMask.asList(), text)
                assertEquals(stated.tokenTypeIds, row.tokenTypeIds.asList(), text)
                assertEquals(stated.offsets, made.offsets(place), text)
                val logits = stated.logits.map { it.toFloat() }.toFloatArray()
                made.add(place, mapOf("logits" to logits))
            }
            assertSame(vector, task, assertNotNull(made.fields()))
            val found = assertNotNull(made.classification())
            assertEquals(vector.isCut, found.numTokensRead < found.numTokens, text)
        }
    }

    private fun assertSame(vector: LabelledVector, task: Task, own: Map<String, TaskValue>) {
        assertEquals(vector.answer.keys, own.keys)
        for ((name, value) in own) {
            val stated = vector.answer[name]
            if (name !in task.approximate) {
                assertEquals(stated, value)
            } else {
                val pairs = assertNotNull(stated?.numbers).zip(assertNotNull(value.numbers))
                assertEquals(stated?.numbers?.size, value.numbers?.size)
                // The logits are 32-bit floats here, and decimals there.
                for ((one, other) in pairs) assertEquals(one, other, absoluteTolerance = 1e-4)
            }
        }
    }

    @Test
    fun `every bundle of Python has its own answers here`() {
        val folder = System.getProperty("pocketbert.classifiers")
        assumeTrue(folder != null, "pocketbert.classifiers names no folder of bundles")
        val bundles = Path.of(folder!!).listDirectoryEntries()
        assertTrue(bundles.map { it.name }.containsAll(listOf("single", "pair", "several", "regression")))
        for (path in bundles) {
            val bundle = openBundle(path)
            val test = SelfTest(bundle)
            assertEquals(emptyList(), test.checkReading(), path.name)
            val vectors = readVectors(bundle)
            val rows = vectors.examples.flatMap { it.rows }.iterator()
            val engine = ScriptedEngine(bundle.manifest.artifacts.first()) {
                rows.next().outputs.mapValues { (_, values) -> values.map { it!!.toFloat() }.toFloatArray() }
            }
            val result = test.checkEngine(engine)
            assertEquals(emptyList(), result.problems, path.name)
            assertTrue(result.numAsked > 1 && result.numAsked == result.numSame)
        }
    }

    @Test
    fun `rules that are absent, unknown, of another kind or beyond their bounds are refused`() {
        open()
        for (name in RULES.keys) {
            assertFailsWith<IllegalArgumentException>(name) { open(without = name) }
            assertFailsWith<IllegalArgumentException>(name) { open(name to TaskValue.Texts(listOf("a"))) }
        }
        for (bad in listOf(
            "problem_type" to TaskValue.Text("ranking"), "long_text" to TaskValue.Text("cut"),
            "pair" to TaskValue.Whole(1), "window_overlap_tokens" to TaskValue.Whole(-1),
            "max_first_tokens" to TaskValue.Whole(0), "max_first_tokens" to TaskValue.Whole(8193),
            "threshold" to TaskValue.Number(1.01), "max_text_characters" to TaskValue.Whole(0),
            "max_unknown_share" to TaskValue.Number(-0.1), "other" to TaskValue.Truth(true),
        )) {
            assertFailsWith<IllegalArgumentException>("$bad") { open(bad) }
        }
    }

    @Test
    fun `labels that do not go with the kind of problem are refused`() {
        fun isOpened(problem: String, vararg labels: String) = runCatching {
            open("problem_type" to TaskValue.Text(problem), labels = labels.asList())
        }.exceptionOrNull().let { it == null || it !is IllegalArgumentException }
        val (one, several, number) = ProblemType.entries.map { it.word }
        assertEquals(listOf(false, true), listOf(isOpened(one, "a"), isOpened(one, "a", "b")))
        assertEquals(listOf(false, true), listOf(isOpened(several), isOpened(several, "a")))
        assertEquals(listOf(false, true), listOf(isOpened(number, "a"), isOpened(number)))
        assertEquals(listOf(false, false), listOf(isOpened(one, "a", "a"), isOpened(one, "a", "")))
    }

    @Test
    fun `of equal logits the first label wins, and of two zeros none is larger`() {
        for (logits in listOf(floatArrayOf(1f, 1f), floatArrayOf(-0f, 0f))) {
            val fields = assertNotNull(fieldsOf(open(), *logits))
            assertEquals(TaskValue.Text("bad"), fields["label"])
            assertEquals(TaskValue.Numbers(listOf(0.5, 0.5)), fields["scores"])
        }
    }

    @Test
    fun `a score at the threshold sets a label`() {
        val several = open("problem_type" to TaskValue.Text("multi_label_classification"))
        val fields = assertNotNull(fieldsOf(several, -0.001f, 0f))
        assertEquals(TaskValue.Texts(listOf("good")), fields["labels"])
    }

    @Test
    fun `a logit that is no finite number is no answer`() {
        for (bad in listOf(Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY)) {
            assertNull(fieldsOf(open(), bad, 0f))
        }
    }

    @Test
    fun `another number of texts is refused`() {
        val pairs = open("pair" to TaskValue.Truth(true))
        for ((task, second) in listOf(open() to "b", pairs to null)) {
            assertFailsWith<UnsupportedArtifactException> {
                task.classified("a", second, tokenizer, listOf(8))
            }
        }
        val err = assertFailsWith<UnreadableTextException> {
            pairs.classified("a", " ", tokenizer, listOf(8))
        }
        assertEquals(TextPart.SECOND to "the second text holds no word that can be read", err.part to err.message)
    }

    @Test
    fun `the longer text is cut first`() {
        for ((sizes, kept) in listOf(
            listOf(3, 4) to listOf(3, 4), listOf(2, 20) to listOf(2, 6), listOf(20, 2) to listOf(6, 2),
            listOf(9, 20) to listOf(4, 4), listOf(5, 6) to listOf(4, 4), listOf(20, 9) to listOf(4, 4),
        )) {
            assertEquals(kept, longestFirst(sizes, room = 8))
        }
        assertEquals(listOf(3, 4), longestFirst(listOf(7, 8), room = 7))
        assertEquals(listOf(4, 3), longestFirst(listOf(8, 7), room = 7))
    }

    @Test
    fun `a bundle of questions classifies nothing`() {
        val engine = ScriptedEngine(Fixture.opened.artifact("tflite")) { error("not run") }
        assertFailsWith<UnsupportedArtifactException> {
            Reader(Fixture.opened, engine).classify("Good.")
        }
    }
}
