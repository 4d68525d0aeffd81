package org.pocketbert.benchmarks

import java.nio.file.Path
import java.util.concurrent.TimeUnit
import org.openjdk.jmh.annotations.Benchmark
import org.openjdk.jmh.annotations.BenchmarkMode
import org.openjdk.jmh.annotations.Fork
import org.openjdk.jmh.annotations.Measurement
import org.openjdk.jmh.annotations.Mode
import org.openjdk.jmh.annotations.OutputTimeUnit
import org.openjdk.jmh.annotations.Scope
import org.openjdk.jmh.annotations.State
import org.openjdk.jmh.annotations.Warmup
import org.pocketbert.core.Answer
import org.pocketbert.core.Artifact
import org.pocketbert.core.Engine
import org.pocketbert.core.Outputs
import org.pocketbert.core.Reader
import org.pocketbert.core.Row
import org.pocketbert.core.Tokens
import org.pocketbert.core.ask
import org.pocketbert.core.openBundle

/** What core does to a text of 2,000 words; the time of a model is none of it. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 10, time = 1)
@Fork(2)
open class ReadingBenchmark {
    private val bundle = openBundle(Path.of(System.getProperty("pocketbert.bundle")))
    private val engine = IdleEngine(bundle.artifact("tflite"))
    private val reader = Reader(bundle, engine)
    private val english = (1..NUM_WORDS).joinToString(" ") { WORDS[it * it % WORDS.size] }
    private val accented = english.replace("e", "é").replace("a", "a\u0301")

    init {
        reader.ask(QUESTION, english)
        val numTokens = bundle.tokenizer.tokenize(english).size
        println()
        println("# ${english.length} characters, $numTokens tokens, ${engine.numRun} windows")
    }

    /** To tokens and their offsets. */
    @Benchmark
    open fun tokenize(): Tokens = bundle.tokenizer.tokenize(english)

    /** The same with a mark in most words, which are taken apart and put in order. */
    @Benchmark
    open fun tokenizeAccented(): Tokens = bundle.tokenizer.tokenize(accented)

    /** From a question and a text to the answer: checks, tokens, windows, decoding. */
    @Benchmark
    open fun ask(): Answer = reader.ask(QUESTION, english)

    private companion object {
        const val NUM_WORDS = 2000
        const val QUESTION = "When was the lamp of the lighthouse first lit?"
        val WORDS = """
            The Carrick Point lighthouse stands on a granite shelf at the western end of the island
            of Torsay. It was designed by the engineer Elspeth Rennie and first lit on 3 October
            1871, after two ships carrying slate had been wrecked on the same reef within a single
            winter. The tower is 41 metres tall and tapers from nine metres at the base to just
            under five at the gallery.
        """.trim().split(' ', '\n').filter { it.isNotEmpty() }
    }
}

/** Gives the same logits for every row, at once. */
private class IdleEngine(override val artifact: Artifact) : Engine {
    private val outputs = artifact.seqLens.last().let { size ->
        mapOf(
            "start_logits" to FloatArray(size) { it * 37 % 101 / 10F },
            "end_logits" to FloatArray(size) { it * 53 % 97 / 10F },
        )
    }

    var numRun = 0
        private set

    override fun run(row: Row): Outputs {
        numRun++
        return outputs
    }

    override fun close() = Unit
}
