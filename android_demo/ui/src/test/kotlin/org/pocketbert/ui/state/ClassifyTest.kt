package org.pocketbert.ui.state

import kotlinx.coroutines.test.runTest
import org.pocketbert.core.openBundle
import org.pocketbert.ui.classifierBundle
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs

/** With a bundle that labels texts. */
class ClassifyTest {
    private fun classifierTest(isPair: Boolean, test: suspend DemoFixture.() -> Unit) = runTest {
        val folder = classifierBundle(isPair)
        val fixture = DemoFixture(this, Input("", "", "executorch"), open = { openBundle(folder) })
        fixture.executorch.onRun = { mapOf("logits" to floatArrayOf(0f, 1f, 3f)) }
        fixture.settle()
        fixture.test()
    }

    @Test
    fun `a text is labelled once when it is not written on, and the newest wins`() =
        classifierTest(isPair = false) {
            demo.changeText("the")
            letPass(milliseconds = 100)
            demo.changeText("the soup")
            letPass(milliseconds = 100)
            demo.changeText("the soup was cold")
            settle()
            val found = assertIs<AnswerState.Classified>(state.answer, "${state.answer}")
            assertEquals(listOf("positive"), found.classification.labels)
            assertEquals(1, executorch.opened.single().numRuns)

            demo.changeText("  ")
            settle()
            assertEquals(AnswerState.Idle, state.answer)
        }

    @Test
    fun `a second text is kept whole, and labelled`() = classifierTest(isPair = true) {
        val second = "the soup was cold ".repeat(1_000)
        demo.changeText("the soup")
        demo.changeQuestion(second)
        settle()
        assertEquals(second, state.input.question)
        assertEquals(0, state.input.numLeftOutOfQuestion)
        val found = assertIs<AnswerState.Classified>(state.answer, "${state.answer}")
        assertEquals(listOf("positive"), found.classification.labels)
    }

    @Test
    fun `what is too much of either text is counted, and the rest is labelled`() =
        classifierTest(isPair = true) {
            demo.changeText("soup ".repeat(4_001))
            demo.changeQuestion("cold ".repeat(5_000))
            settle()
            assertEquals(20_000, state.input.text.length)
            assertEquals(5, state.input.numLeftOut)
            assertEquals(20_000, state.input.question.length)
            assertEquals(5_000, state.input.numLeftOutOfQuestion)
            assertIs<AnswerState.Classified>(state.answer, "${state.answer}")

            demo.changeQuestion("cold")
            assertEquals(0, state.input.numLeftOutOfQuestion)
            assertEquals(5, state.input.numLeftOut)
        }

    @Test
    fun `a sample is labelled at once`() = classifierTest(isPair = true) {
        demo.takeSample("the soup", "was it cold?")
        settle()
        assertEquals(listOf("the soup", "was it cold?"), state.input.run { listOf(text, question) })
        assertIs<AnswerState.Classified>(state.answer, "${state.answer}")
    }
}
