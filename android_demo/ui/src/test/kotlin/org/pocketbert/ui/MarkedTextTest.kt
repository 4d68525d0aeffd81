package org.pocketbert.ui

import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.semantics.SemanticsActions
import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.SemanticsMatcher
import androidx.compose.ui.test.SkikoComposeUiTest
import androidx.compose.ui.test.hasText
import androidx.compose.ui.text.TextLayoutResult
import org.junit.jupiter.api.Test
import org.pocketbert.core.Answer
import kotlin.test.assertEquals
import kotlin.test.assertTrue

@OptIn(ExperimentalTestApi::class)
class MarkedTextTest {
    private fun answer(text: String, answer: String): Answer {
        val start = text.indexOf(answer)
        return Answer(answer, start, start + answer.length, score = 0.5)
    }

    private fun shown(text: String, answer: Answer, test: SkikoComposeUiTest.() -> Unit) =
        drawn(Look("text"), { Marked(text, answer) }, test)

    @Composable
    private fun Marked(text: String, answer: Answer) =
        MarkedText(text, answer, Modifier.fillMaxSize()) { Text("header") }

    private val isMarked = SemanticsMatcher.expectValue(
        SemanticsProperties.StateDescription,
        Texts().holdsTheAnswer,
    )

    /** Where on the screen the line is that the answer begins in. */
    private fun SkikoComposeUiTest.lineOf(text: String): ClosedRange<Float> {
        val node = onNode(isMarked).fetchSemanticsNode()
        val layouts = mutableListOf<TextLayoutResult>()
        node.config[SemanticsActions.GetTextLayoutResult].action?.invoke(layouts)
        val layout = layouts.single()
        val line = layout.getLineForOffset(layout.layoutInput.text.indexOf(text))
        val top = node.positionInRoot.y
        return top + layout.getLineTop(line)..top + layout.getLineBottom(line)
    }

    @Test
    fun `an answer anywhere in the longest text is in view, and little else is laid out`() {
        val words = List(45_000) { "w${it % 1000}" }.joinToString(" ").take(200_000)
        for (text in listOf(words.replace("w7 ", "w7\n"), words, words.replace(' ', 'x'))) {
            for (place in listOf(0, 99_990, 199_900)) {
                val marked = text.replaceRange(place, place + 10, "ANSWERHERE")
                shown(marked, answer(marked, "ANSWERHERE")) {
                    val line = lineOf("ANSWERHERE")
                    assertTrue(line.start >= 0 && line.endInclusive <= 1440, "$line at $place")
                    val laidOut = onAllNodes(hasText("w", substring = true)).fetchSemanticsNodes()
                    assertTrue(laidOut.size <= 6, "${laidOut.size} chunks")
                }
            }
        }
    }

    @Test
    fun `an answer that is in view already does not move the text`() {
        val text = "One.\n".repeat(300)
        shown(text, Answer("One", 10, 13, score = 0.5)) {
            onNode(hasText("header")).assertExists()
        }
    }

    @Test
    fun `an answer over the end of a chunk is marked on both sides`() {
        val text = "word ".repeat(2_000)
        val cut = chunksOf(text).first().end
        shown(text, Answer(text.substring(cut - 10, cut + 10), cut - 10, cut + 10, score = 0.5)) {
            assertEquals(2, onAllNodes(isMarked).fetchSemanticsNodes().size)
        }
    }

    @Test
    fun `half of a surrogate pair and other odd texts are drawn`() {
        val accents = "e" + "\u0301".repeat(5_000)
        for (text in listOf("\uD83D", "a\uDE00b", "\u0000\u202E\uFFFF", accents)) {
            shown(text, Answer(text, 0, text.length, score = 0.5)) {
                onAllNodes(isMarked).fetchSemanticsNodes().also { assertTrue(it.isNotEmpty()) }
            }
        }
    }

    @Test
    fun `another answer moves the text to it`() {
        val text = List(20_000) { "w$it" }.joinToString(" ")
        var asked by mutableStateOf(answer(text, "w19000 "))
        drawn(Look("text"), { Marked(text, asked) }) {
            asked = answer(text, "w3 ")
            waitForIdle()
            assertTrue(lineOf("w3 ").start in 0f..1440f)
        }
    }
}
