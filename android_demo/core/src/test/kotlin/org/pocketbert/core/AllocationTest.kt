package org.pocketbert.core

import com.sun.management.ThreadMXBean
import java.lang.management.ManagementFactory
import kotlin.io.path.readLines
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test

/** Tokenizing and decoding leave nothing behind for the collector but their results. */
class AllocationTest {
    private val threads = ManagementFactory.getThreadMXBean() as ThreadMXBean
    private val tokenizer = Fixture.openTokenizer("uncased")
    private val longWords = Fixture.vectors.resolve("uncased/tokenizer/vocab.txt").readLines()
        .filter { word -> word.length > 5 && word.all { it in 'a'..'z' } }
        .take(100)
        .joinToString(" ")

    @Test
    fun `a text takes three numbers a token, with room for one in four characters`() {
        val text = "$longWords ".repeat(2000 / longWords.count { it == ' ' })
        assertTrue(tokenizer.tokenize(text).size in 1900..text.length / 4)
        val resultBytes = 3 * Int.SIZE_BYTES * (text.length / 4)
        val bytes = bytesOf { tokenizer.tokenize(text) }
        assertTrue(bytes < resultBytes + WORKSPACE, "$bytes, the result is $resultBytes")
    }

    @Test
    fun `marks, Hangul and unknown words take no more`() {
        val text = "éàü e\u0301a\u0316\u0327 각힣 中文 ꙮꙮ [SEP] ".repeat(300)
        val resultBytes = 3 * Int.SIZE_BYTES * tokenizer.tokenize(text).size
        // The result is copied each time that it grows by half.
        val bytes = bytesOf { tokenizer.tokenize(text) }
        assertTrue(bytes < 5 * resultBytes + WORKSPACE, "$bytes, the result is $resultBytes")
    }

    @Test
    fun `decoding takes room for one window`() {
        val rules = WindowPropertiesTest.RULES
        val tokens = WindowPropertiesTest.numbered(3000, from = 4)
        val cutter = WindowCutter(rules, WindowPropertiesTest.SPECIAL_IDS)
        val windows = cutter.cut(WindowPropertiesTest.numbered(9, from = 4), tokens, listOf(384))
        val outputs = logits(FloatArray(384), FloatArray(384))
        val context = "a ".repeat(3000)
        val bytes = bytesOf { decode(rules, context, windows) { outputs } }
        assertTrue(bytes < 2 * Double.SIZE_BYTES * 384 + WORKSPACE, "$bytes")
    }

    /** The least of some runs, for the first ones load classes. */
    private fun bytesOf(action: () -> Unit): Long = (1..50).minOf {
        val before = threads.currentThreadAllocatedBytes
        action()
        threads.currentThreadAllocatedBytes - before
    }

    private companion object {
        /** Buffers for one word and one run of marks, and a dozen small objects. */
        const val WORKSPACE = 3000
    }
}
