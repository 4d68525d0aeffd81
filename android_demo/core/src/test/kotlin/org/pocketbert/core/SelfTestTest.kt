package org.pocketbert.core

import java.nio.file.Path
import java.util.concurrent.CancellationException
import kotlin.io.path.readText
import kotlin.io.path.writeText
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonObject
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** The self test finds what is wrong on a phone: tokenizer, rows, decoder or engine. */
class SelfTestTest(@param:TempDir private val temporary: Path) {
    private val bundle = Fixture.opened
    private val vectors = readVectors(bundle)
    private val path = bundle.artifact("tflite").path

    @Test
    fun `a good bundle has no problem`() {
        assertEquals(emptyList(), SelfTest(bundle).checkReading())
        assertTrue(vectors.examples.any { it.rows.size > 1 } && vectors.texts.size > 10)
        val result = SelfTest(bundle).checkEngine(Student())
        assertEquals(emptyList(), result.problems)
        assertTrue(result.maxAbsDiff < 1e-5)
        assertTrue(result.numAsked > 1)
        assertEquals(result.numAsked, result.numSame)
    }

    @Test
    fun `a tokenizer of other rules is found`() {
        for (settings in listOf(
            SETTINGS_OF_BUNDLE.copy(cleanText = false),
            SETTINGS_OF_BUNDLE.copy(handleChineseChars = false),
            SETTINGS_OF_BUNDLE.copy(stripAccents = false),
            SETTINGS_OF_BUNDLE.copy(lowercase = false),
            SETTINGS_OF_BUNDLE.copy(addedTokens = emptyMap()),
            SETTINGS_OF_BUNDLE.copy(maxInputCharsPerWord = 99),
        )) {
            val files = BundleFiles(bundle.folder)
            val other = openTokenizer(settings, files::read)
            val problems = SelfTest(bundle, other).checkReading()
            assertTrue(problems.isNotEmpty() && "other" in problems.first(), "$settings")
        }
    }

    private fun problemsWith(rule: Pair<String, Long>): List<String> {
        val own = bundle.manifest
        val rules = own.task.rules + (rule.first to TaskValue.Whole(rule.second))
        val task = openTask(own.copy(task = own.task.copy(rules = rules)), KNOWN_TASKS)
        return ReadingTest(vectors, bundle.tokenizer, task).problems()
    }

    @Test
    fun `other rows are found`() {
        assertContains(problemsWith("window_overlap_tokens" to 7L).first(), "other rows")
    }

    @Test
    fun `another decoder is found`() {
        assertContains(problemsWith("max_answer_tokens" to 1L).first(), "another answer")
    }

    @Test
    fun `an answer that lacks a field, or has another, is found`() {
        val (first, others) = vectors.examples.first() to vectors.examples.drop(1)
        fun problems(answer: Map<String, TaskValue?>): List<String> {
            val examples = listOf(first.copy(answer = answer)) + others
            val changed = Vectors(vectors.texts, vectors.seqLens, examples, vectors.tolerances)
            return ReadingTest(changed, bundle.tokenizer, bundle.task).problems()
        }
        for (answer in listOf(
            emptyMap(), first.answer - "text", first.answer + ("extra" to TaskValue.Truth(true)),
            first.answer + ("text" to TaskValue.Text("e\u0301")),
            first.answer + ("start" to TaskValue.Whole(1_000_000)),
            first.answer + ("score" to TaskValue.Number(2.0)),
            first.answer + ("score" to TaskValue.Text("high")),
        )) {
            assertContains(problems(answer).single(), "another answer")
        }
        // The student gave no numbers.
        assertEquals(emptyList(), problems(first.answer + ("score" to null)))
    }

    @Test
    fun `an engine whose logits differ more than is tolerated is found`() {
        val tolerance = vectors.tolerances.getValue(path)
        val near = SelfTest(bundle).checkEngine(Student { it + 0.9F * tolerance.toFloat() })
        assertEquals(emptyList(), near.problems)
        val far = SelfTest(bundle).checkEngine(Student { it + 1.1F * tolerance.toFloat() })
        assertEquals(vectors.examples.size, far.problems.size)
        assertEquals(1.1 * tolerance, far.maxAbsDiff, absoluteTolerance = 1e-4)
        assertEquals(far.numAsked, far.numSame)
    }

    @Test
    fun `an engine with another answer is found`() {
        val result = SelfTest(bundle).checkEngine(Student { -it })
        assertTrue(result.numSame < result.numAsked)
        assertTrue(result.problems.any { "it answers" in it })
    }

    @Test
    fun `an engine that gives no numbers is found`() {
        val result = SelfTest(bundle).checkEngine(Student { Float.NaN })
        assertEquals(Double.POSITIVE_INFINITY, result.maxAbsDiff)
        assertEquals(0, result.numSame)
    }

    @Test
    fun `an engine under a tokenizer that makes other rows is no crash`() {
        val letters = openTokenizer(SETTINGS_OF_BUNDLE.copy(maxInputCharsPerWord = 1)) {
            BundleFiles(bundle.folder).read(it)
        }
        val engine = ScriptedEngine(bundle.artifact("tflite")) {
            logits(FloatArray(it.seqLen), FloatArray(it.seqLen))
        }
        assertTrue(SelfTest(bundle, letters).checkEngine(engine).problems.isNotEmpty())
    }

    @Test
    fun `the checkpoint ends the test`() {
        assertFailsWith<CancellationException> {
            SelfTest(bundle).checkEngine(Student()) { throw CancellationException() }
        }
    }

    @Test
    fun `vectors that cannot be read, or know nothing of an artifact, are told`() {
        val folder = Fixture.copyBundle(temporary)
        val file = folder.resolve(VECTORS)
        val good = file.readText()
        for (bad in listOf("", "{}", "[]", good.take(good.length / 2))) {
            file.writeText(bad)
            vouchForVectors(folder)
            assertFailsWith<DamagedBundleException> { SelfTest(openBundle(folder)) }
        }
        for ((part, other) in listOf(
            "\"start_logits\":[" to "\"start_logits\":[0,",
            "\"end_logits\":[" to "\"other_logits\":[",
            "\"question\":" to "\"title\":", "\"start\":" to "\"start\":{},\"begin\":",
            "\"start\":" to "\"start\":[1,true],\"begin\":",
            "\"start\":" to "\"start\":[[1]],\"begin\":",
            "\"start\":" to "\"start\":[1,\"a\"],\"begin\":",
        )) {
            file.writeText(good.replace(part, other))
            vouchForVectors(folder)
            val err = assertFailsWith<DamagedBundleException>(part) { SelfTest(openBundle(folder)) }
            assertEquals(VECTORS, err.path)
        }
        file.writeText(good.replace("\"$path\":", "\"another.tflite\":"))
        vouchForVectors(folder)
        assertFailsWith<DamagedBundleException> {
            SelfTest(openBundle(folder)).checkEngine(Student())
        }
    }

    private fun vouchForVectors(folder: Path) = rewriteManifest(folder) {
        val hash = sha256(folder.resolve(VECTORS).readText().toByteArray())
        it["files"] = JsonObject(it.getValue("files").jsonObject + (VECTORS to text(hash)))
    }

    /** Gives the student's own outputs, changed, in the order of the examples. */
    private inner class Student(private val change: (Float) -> Float = { it }) : Engine {
        private val rows = vectors.examples.flatMap { it.rows }.iterator()
        override val artifact = bundle.artifact("tflite")

        override fun run(row: Row): Outputs = rows.next().outputs.mapValues { floats(it.value) }

        override fun close() = Unit

        private fun floats(values: List<Double?>) =
            values.map { change((it ?: Double.NaN).toFloat()) }.toFloatArray()
    }

    private companion object {
        val SETTINGS_OF_BUNDLE = Fixture.opened.manifest.tokenizer
    }
}
