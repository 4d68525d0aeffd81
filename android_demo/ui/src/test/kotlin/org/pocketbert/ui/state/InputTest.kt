package org.pocketbert.ui.state

import kotlinx.coroutines.test.runTest
import org.junit.jupiter.api.Test
import org.pocketbert.core.UnreadableTextException.Reason
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNull

class InputTest {
    @Test
    fun `ten megabytes are told to be too long, and what is kept can be asked about`() = demoTest {
        demo.takeSample("word ".repeat(2_000_000), "Which word?")
        assertEquals(Reason.TOO_LONG, assertIs<Problem.UnreadableText>(problem).reason)
        assertEquals(200_000, state.input.text.length)
        assertEquals(9_800_000, state.input.numLeftOut)
        demo.ask()
        settle()
        assertIs<AnswerState.Answered>(state.answer)
    }

    @Test
    fun `a text of the greatest length is kept whole`() = demoTest {
        val text = "\uD83D\uDE00".repeat(200_000)
        demo.changeText(text)
        assertEquals(text, state.input.text)
        assertEquals(AnswerState.Idle, state.answer)
    }

    @Test
    fun `what is kept of a text ends with no half of a character`() {
        assertEquals("a\uD83D\uDE00", beginningOf("a\uD83D\uDE00\uD83D\uDE00b", 2))
        assertEquals("\uD83D", beginningOf("\uD83D", 1)) // as it came: it is told when it is asked
    }

    @Test
    fun `a long question is cut at once`() = demoTest {
        demo.changeQuestion("why ".repeat(100_000))
        assertEquals(1_000, state.input.question.length)
    }

    @Test
    fun `a text that gets too long to edit ends the editing`() = demoTest {
        demo.show(Screen.EDIT)
        demo.changeText("a".repeat(MAX_EDITABLE_CHARACTERS))
        assertEquals(Screen.EDIT, state.screen)
        demo.changeText("a".repeat(MAX_EDITABLE_CHARACTERS + 1))
        assertEquals(Screen.ASK, state.screen)
        assertFalse(state.input.isEditable)
    }

    @Test
    fun `the input that was saved comes back`() = runTest {
        val input = Input("A text.\nWith lines.", "What?", "tflite")
        val demo = DemoFixture(this, start = checkNotNull(Input.restored(input.saved())))
        assertEquals(input, demo.state.input)
    }

    @Test
    fun `a text too long for an instance state is not in it`() {
        val input = Input("a".repeat(50_001), "What?", "tflite")
        assertEquals(listOf("", "What?", "tflite"), input.saved())
    }

    @Test
    fun `what cannot be restored is not`() {
        assertNull(Input.restored(null))
        assertNull(Input.restored(listOf("a text")))
    }

    @Test
    fun `an engine that is gone gives way to the first`() = runTest {
        val demo = DemoFixture(this, start = Input("A text.", "What?", "coreml"))
        assertEquals("executorch", demo.state.input.backend)
    }
}
