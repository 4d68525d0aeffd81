package org.pocketbert.core

import kotlin.test.assertEquals
import kotlin.test.assertTrue
import net.jqwik.api.Arbitraries
import net.jqwik.api.Arbitrary
import net.jqwik.api.ForAll
import net.jqwik.api.Property
import net.jqwik.api.Provide

/** What holds of the tokens of any text. */
class TokenizerPropertiesTest {
    private val tokenizers = listOf("uncased", "cased", "spelling").map(Fixture::openTokenizer)

    @Provide
    fun texts(): Arbitrary<String> {
        val any = Arbitraries.integers().between(0, LAST_CODE_POINT).filter { !isSurrogate(it) }
        val hard = Arbitraries.of(*HARD.codePoints().toArray().toTypedArray())
        val plain = Arbitraries.integers().between(0x20, 0x7E)
        return Arbitraries.oneOf(any, hard, plain).array(IntArray::class.java).ofMaxSize(40)
            .map { String(it, 0, it.size) }
    }

    @Property
    fun `spans ascend, lie inside the text and cut no pair`(@ForAll("texts") text: String) {
        for (tokenizer in tokenizers) {
            val tokens = tokenizer.tokenize(text)
            var before = 0
            for (index in tokens.indices) {
                val start = tokens.start(index)
                assertTrue(start in before until tokens.end(index))
                assertTrue(tokens.end(index) <= text.length)
                assertTrue(isBoundary(text, start) && isBoundary(text, tokens.end(index)))
                before = start
            }
        }
    }

    @Property
    fun `places in code points are those that the library of Java counts`(
        @ForAll("texts") text: String,
    ) {
        val places = CodePointPlaces(text)
        for (unit in 0..text.length) {
            if (isBoundary(text, unit)) assertEquals(text.codePointCount(0, unit), places[unit])
        }
    }

    @Property
    fun `a text behind an added token has the tokens that it has alone`(
        @ForAll("texts") first: String,
        @ForAll("texts") second: String,
    ) {
        for (tokenizer in tokenizers) {
            val joined = tokenizer.tokenize("$first$SEPARATOR$second")
            val alone = tokenizer.tokenize(second)
            val shift = first.length + SEPARATOR.length
            val separator = tokenizer.ids(SEPARATOR).single()
            assertEquals(
                tokenizer.ids(first) + separator + tokenizer.ids(second),
                joined.indices.map(joined::id),
            )
            val numBefore = joined.size - alone.size
            for (index in alone.indices) {
                assertEquals(alone.start(index) + shift, joined.start(numBefore + index))
                assertEquals(alone.end(index) + shift, joined.end(numBefore + index))
            }
        }
    }

    private fun isBoundary(text: String, unit: Int): Boolean =
        unit == 0 || unit == text.length || !Character.isLowSurrogate(text[unit])

    private companion object {
        const val SEPARATOR = "[SEP]"

        /** What rules of the tokenizer are about. */
        const val HARD = "aé\u0301\u0316\u0327\u0344\u0345가각\u302e中\ud840\udc00İΣß.![]SEPU NK" +
            "\u0000\ufffd\u200d\u00a0\u0085\ud83d\udc69\ud834\udd65\u1e69"
    }
}
