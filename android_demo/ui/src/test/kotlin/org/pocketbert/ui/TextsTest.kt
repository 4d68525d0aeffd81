package org.pocketbert.ui

import org.junit.jupiter.api.Test
import java.util.Locale
import kotlin.test.assertEquals

class TextsTest {
    @Test
    fun `numbers look alike in every language of the phone`() {
        val before = Locale.getDefault()
        try {
            for (tag in listOf("de", "ar-EG", "hi-IN-u-nu-deva", "tr")) {
                Locale.setDefault(Locale.forLanguageTag(tag))
                val texts = Texts()
                assertEquals("1,234,567 characters", texts.characters(1_234_567))
                assertEquals("Score 93%", texts.score(0.934))
                assertEquals("Score 4.1%", texts.score(0.041))
                assertEquals("8.3 ms", texts.latency(8.31))
                assertEquals("1240 ms", texts.latency(1240.2))
                assertEquals(
                    "Largest difference 0.0021, tolerance 0.020",
                    texts.largestDifference(0.00213, 0.02),
                )
                assertEquals("18.1 MB", texts.megabytes(18_100_000))
                assertEquals("Task library", texts.licenceOf("task_library"))
            }
        } finally {
            Locale.setDefault(before)
        }
    }

    @Test
    fun `one is no plural`() {
        assertEquals("1 character", Texts().characters(1))
        assertEquals("1 window", Texts().windows(1))
    }
}
