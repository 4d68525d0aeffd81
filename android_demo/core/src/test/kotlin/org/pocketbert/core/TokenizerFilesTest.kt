package org.pocketbert.core

import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import org.junit.jupiter.api.Test

/** Vocabularies and tables that are damaged, or hold what readers get wrong. */
class TokenizerFilesTest {
    @Test
    fun `only a newline ends a token`() {
        val tokenizer = smallTokenizer("a", "b\r", "c\u0085", "d\u2028", " e ", "")
        assertEquals(listOf(4), tokenizer.ids("a"))
        assertDamaged("$SPECIAL\na\n\nb\n\n")
        assertDamaged("$SPECIAL\na\na\n")
    }

    @Test
    fun `a vocabulary that is not UTF-8 is damaged`() {
        val halfOfAPair = byteArrayOf(-19, -96, -128)
        for (bytes in listOf(byteArrayOf(-1), byteArrayOf(0x61, -61), halfOfAPair)) {
            assertDamaged("$SPECIAL\n".toByteArray() + bytes)
        }
    }

    @Test
    fun `a vocabulary with other ids than the manifest is damaged`() {
        assertDamaged("a\n$SPECIAL\n")
        assertDamaged("")
        assertDamaged("[PAD]")
    }

    @Test
    fun `tables that are damaged are refused`() {
        for (changed in listOf(
            "removed" to "[[5,4]]", "whitespace" to "[[1,2],[2,3]]", "punctuation" to "[[1]]",
            "nonspacing_marks" to "[[1,2,3]]", "chinese" to "[[-1,2]]", "chinese" to "7",
            "chinese" to "[[0,1114112]]", "combining_classes" to "[[1,2]]",
            "combining_classes" to "[[1,2,0]]", "combining_classes" to "[[1,2,255]]",
            "decompositions" to "[[1]]", "decompositions" to "[[2,3],[1,3]]",
            "decompositions" to "[[1,2],[1,3]]", "lowercase" to "[[1,1114112]]",
            "lowercase" to "[[]]", "lowercase" to "[[1.5,2]]",
        )) {
            val err = assertFailsWith<DamagedBundleException>("$changed") {
                openTokenizer(SETTINGS) { path ->
                    when (path) {
                        SETTINGS.vocabulary -> "$SPECIAL\n".toByteArray()
                        else -> tables(changed).toByteArray()
                    }
                }
            }
            assertEquals(SETTINGS.unicodeTables, err.path)
        }
    }

    @Test
    fun `unknown tables are ignored`() {
        smallTokenizer("a", tables = tables("of_a_newer_bundle" to "[[1,2]]"))
    }

    private fun assertDamaged(vocabulary: String) = assertDamaged(vocabulary.toByteArray())

    private fun assertDamaged(vocabulary: ByteArray) {
        val err = assertFailsWith<DamagedBundleException> {
            openTokenizer(SETTINGS) { path ->
                if (path == SETTINGS.vocabulary) vocabulary else tables().toByteArray()
            }
        }
        assertEquals(SETTINGS.vocabulary, err.path)
    }
}
