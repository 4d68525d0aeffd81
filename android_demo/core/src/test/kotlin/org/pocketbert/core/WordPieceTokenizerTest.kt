package org.pocketbert.core

import java.util.Locale
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import org.junit.jupiter.api.Test

/** One test for each rule of the specification; the vectors have thousands of cases. */
class WordPieceTokenizerTest {
    @Test
    fun `an added token is found letter by letter, the longest first`() {
        val added = mapOf("[SEP]" to 3, "[SEP][SEP]" to 5)
        val tokenizer =
            smallTokenizer("a", "[SEP][SEP]", "b", settings = SETTINGS.copy(addedTokens = added))
        assertEquals(listOf(4, 3, 6), tokenizer.ids("a[SEP]b"))
        assertEquals(listOf(0 to 1, 1 to 6, 6 to 7), tokenizer.spans("a[SEP]b"))
        assertEquals(listOf(5, 3), tokenizer.ids("[SEP][SEP][SEP]"))
        assertEquals(listOf(1, 1, 1), tokenizer.ids("[sep]"))
        assertEquals(listOf(1, 1, 3), tokenizer.ids("[SE[SEP]"))
    }

    @Test
    fun `a normalized added token is found in what becomes of a text`() {
        val added = mapOf("Ae\u0301" to 6, "中 " to 7)
        val settings = SETTINGS.copy(normalizedAddedTokens = added)
        val tokenizer = smallTokenizer("a", "b", "Ae\u0301", "中 ", settings = settings)
        assertEquals(listOf(5, 6, 5), tokenizer.ids("bA\u0300éb"))
        assertEquals(listOf(0 to 1, 1 to 4, 4 to 5), tokenizer.spans("bA\u0300éb"))
        assertEquals(listOf(6, 3, 6), tokenizer.ids("ae[SEP]aé"))
        assertEquals(listOf(4, 7, 7, 5), tokenizer.ids("a中 中  b"))
        assertEquals(listOf(4, 1), tokenizer.ids("a e"))
        for (wrong in listOf(mapOf("\u0301" to 4), mapOf("a" to 5, "A" to 6))) {
            assertFailsWith<DamagedBundleException> {
                val changed = SETTINGS.copy(normalizedAddedTokens = wrong)
                smallTokenizer("\u0301", "a", "A", settings = changed)
            }
        }
    }

    @Test
    fun `cleaning drops before it replaces`() {
        val tokenizer = smallTokenizer("ab", "a", "b")
        assertEquals(listOf(4), tokenizer.ids("a\u000bb\ufffd"))
        assertEquals(listOf(0 to 3), tokenizer.spans("a\u000bb"))
        assertEquals(listOf(5, 6), tokenizer.ids("a\u0009b"))
    }

    @Test
    fun `what is not cleaned still separates words`() {
        val tokenizer = smallTokenizer("a", "b", settings = SETTINGS.copy(cleanText = false))
        assertEquals(listOf(4, 5), tokenizer.ids("a\u000bb"))
        assertEquals(listOf(1), tokenizer.ids("a\u0001b"))
    }

    @Test
    fun `Chinese characters are words`() {
        val tokenizer = smallTokenizer("a", "中", "文")
        assertEquals(listOf(4, 5, 6, 4), tokenizer.ids("a中文a"))
        val joined = smallTokenizer("a", settings = SETTINGS.copy(handleChineseChars = false))
        assertEquals(listOf(1), joined.ids("a中文a"))
    }

    @Test
    fun `accents go, and a span holds those that stand between`() {
        val tokenizer = smallTokenizer("ea")
        assertEquals(listOf(4, 4), tokenizer.ids("éa e\u0301a"))
        assertEquals(listOf(0 to 2, 3 to 6), tokenizer.spans("éa e\u0301a"))
        assertEquals(listOf(1 to 3), tokenizer.spans("\u0301ea\u0301"))
    }

    @Test
    fun `sources are given by place after marks were put in order`() {
        // U+0344 becomes two marks of class 230, and U+0316 of class 220 goes before them: it takes
        // the source of U+0344, the first of those two that of U+0316.
        val tables = tables("nonspacing_marks" to "[]")
        val tokenizer = smallTokenizer("\u0316", "##\u0308", "##\u0301", tables = tables)
        assertEquals(listOf(0 to 1, 1 to 2, 1 to 2), tokenizer.spans("\u0344\u0316"))
    }

    @Test
    fun `a further mark that comes first takes the first source`() {
        val tables = tables(
            "nonspacing_marks" to "[]",
            "decompositions" to "[[836,776,790]]",
        )
        val tokenizer = smallTokenizer("\u0316", "##\u0308", tables = tables)
        assertEquals(listOf(4, 5), tokenizer.ids("\u0344"))
        assertEquals(listOf(0 to 1, 0 to 1), tokenizer.spans("\u0344"))
    }

    @Test
    fun `a Hangul syllable becomes its letters, which share its source`() {
        val tokenizer = smallTokenizer("\u1100\u1161", "##\u11a8", "\u1112\u1175\u11c2")
        assertEquals(listOf(4, 5, 4, 6), tokenizer.ids("각 가 힣"))
        assertEquals(listOf(0 to 1, 0 to 1, 2 to 3, 4 to 5), tokenizer.spans("각 가 힣"))
    }

    @Test
    fun `case comes from the tables, whatever the language of the phone`() {
        val tables = tables("nonspacing_marks" to "[]")
        val tokenizer = smallTokenizer("i\u0307", "a", "##σ", "i", tables = tables)
        val before = Locale.getDefault()
        try {
            for (language in listOf("tr", "en", "az", "lt")) {
                Locale.setDefault(Locale.forLanguageTag(language))
                assertEquals(listOf(4, 5, 6, 1), tokenizer.ids("İ AΣ I"), language)
            }
        } finally {
            Locale.setDefault(before)
        }
        val keeping = smallTokenizer("A", "a", settings = SETTINGS.copy(lowercase = false))
        assertEquals(listOf(4, 5), keeping.ids("A a"))
    }

    @Test
    fun `a word is unknown as a whole, and no token of it is left`() {
        val tokenizer = smallTokenizer("ab", "##c", "d")
        assertEquals(listOf(4, 5, 1, 6), tokenizer.ids("abc abx d"))
        assertEquals(listOf(0 to 2, 2 to 3, 4 to 7, 8 to 9), tokenizer.spans("abc abx d"))
    }

    @Test
    fun `a word of too many characters is unknown`() {
        val tokenizer = smallTokenizer("a", "##a", "𝒜", "##𝒜")
        assertEquals(100, tokenizer.ids("a".repeat(100)).size)
        assertEquals(listOf(1), tokenizer.ids("a".repeat(101)))
        assertEquals(listOf(0 to 101), tokenizer.spans("a".repeat(101)))
        assertEquals(100, tokenizer.ids("𝒜".repeat(100)).size)
        assertEquals(listOf(0 to 202), tokenizer.spans("𝒜".repeat(101)))
    }

    @Test
    fun `tokens behind the pieces are found in no word`() {
        val settings = SETTINGS.copy(addedTokens = mapOf("b" to 5))
        val tokenizer = openTokenizer(settings.copy(numPieces = 5)) { path ->
            (if (path == settings.vocabulary) "$SPECIAL\na\nb\n" else tables()).toByteArray()
        }
        assertEquals(listOf(4, 5), tokenizer.ids("ab"))
        assertEquals(listOf(1), tokenizer.ids("B"))
    }

    @Test
    fun `a prefix may be another, or none`() {
        for ((prefix, piece) in listOf("@@" to "@@b", "" to "b", "##" to "##b")) {
            val settings = SETTINGS.copy(continuingSubwordPrefix = prefix)
            assertEquals(listOf(4, 5), smallTokenizer("a", piece, settings = settings).ids("ab"))
        }
        val settings = SETTINGS.copy(continuingSubwordPrefix = "@")
        val lacking = smallTokenizer("a", "b", settings = settings)
        assertEquals(listOf(1, 4), lacking.ids("ab a"))
    }

    @Test
    fun `half of a surrogate pair is refused wherever it stands`() {
        val tokenizer = smallTokenizer("a")
        for (half in listOf("\ud800", "\udbff", "\udc00", "\udfff", "\udc00\ud800", "\ud83d")) {
            for (text in listOf(half, "a$half", "${half}a", "[SEP]$half[SEP]", "é$half")) {
                assertFailsWith<IllegalArgumentException> { tokenizer.tokenize(text) }
            }
        }
    }

    @Test
    fun `a run of a hundred thousand marks is sorted at once`() {
        val marks = "\u0301\u0316".repeat(100_000)
        assertEquals(listOf(4), smallTokenizer("a").ids("a$marks"))
    }
}
