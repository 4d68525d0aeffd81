package org.pocketbert.ui

import org.junit.jupiter.api.Test
import kotlin.random.Random
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class ParagraphsTest {
    @Test
    fun `nothing has no chunk and a short text has one`() {
        assertEquals(emptyList(), chunksOf(""))
        assertEquals(listOf(Chunk(0, 12)), chunksOf("one\n\ntwo\n\n\n\n"))
    }

    @Test
    fun `paragraphs stay whole`() {
        val paragraph = "word ".repeat(180).trim()
        val text = List(9) { paragraph }.joinToString("\n")
        assertEquals(List(9) { paragraph }, chunksOf(text).map { text.substring(it.start, it.end) })
    }

    @Test
    fun `a paragraph of a book's length is cut behind a space`() {
        val text = "word ".repeat(40_000)
        val chunks = chunksOf(text)
        assertTrue(chunks.all { text[it.end - 1] == ' ' })
        assertEquals(text, chunks.joinToString("") { text.substring(it.start, it.end) })
    }

    @Test
    fun `any text is covered by short chunks that split no character`() {
        val random = Random(8)
        repeat(300) {
            val alphabet = listOf("a", "b ", "\n", "\uD83D\uDE00", "字", "\uD83D")
                .take(random.nextInt(1, 7))
            val text = List(random.nextInt(9_000)) { alphabet.random(random) }.joinToString("")
            val chunks = chunksOf(text)
            assertTrue(chunks.all { it.end - it.start <= 3_000 })
            assertTrue(chunks.none { splitsCharacter(text, it.end) })
            val gaps = (listOf(Chunk(0, 0)) + chunks).zipWithNext { one, other ->
                text.substring(one.end, other.start)
            }
            assertTrue(gaps.all { it == "" || it == "\n" })
            assertTrue(text.substring(chunks.lastOrNull()?.end ?: 0) in listOf("", "\n"))
        }
    }

    private fun splitsCharacter(text: String, at: Int): Boolean =
        at in 1..<text.length && text[at - 1].isHighSurrogate() && text[at].isLowSurrogate()
}
