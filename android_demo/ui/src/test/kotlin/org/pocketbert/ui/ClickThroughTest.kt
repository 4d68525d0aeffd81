package org.pocketbert.ui

import androidx.compose.runtime.Composable
import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.runtime.collectAsState
import androidx.compose.runtime.getValue
import androidx.compose.runtime.key
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import androidx.compose.ui.platform.ClipboardManager
import androidx.compose.ui.platform.LocalClipboardManager
import androidx.compose.ui.semantics.Role
import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.SemanticsMatcher
import androidx.compose.ui.test.SemanticsNodeInteraction
import androidx.compose.ui.test.SkikoComposeUiTest
import androidx.compose.ui.test.assert
import androidx.compose.ui.test.assertIsNotEnabled
import androidx.compose.ui.test.assertIsNotSelected
import androidx.compose.ui.test.assertIsSelected
import androidx.compose.ui.test.hasClickAction
import androidx.compose.ui.test.hasSetTextAction
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.onAllNodesWithText
import androidx.compose.ui.test.onNodeWithContentDescription
import androidx.compose.ui.test.onNodeWithText
import androidx.compose.ui.test.performClick
import androidx.compose.ui.test.performScrollTo
import androidx.compose.ui.test.performTextInput
import androidx.compose.ui.test.performTextReplacement
import androidx.compose.ui.text.AnnotatedString
import kotlinx.coroutines.Dispatchers
import org.junit.jupiter.api.Test
import org.pocketbert.core.Bundle
import org.pocketbert.core.EngineException
import org.pocketbert.core.NoBundleException
import org.pocketbert.core.openBundle
import org.pocketbert.ui.state.AnswerState
import org.pocketbert.ui.state.Demo
import org.pocketbert.ui.state.FakeFactory
import org.pocketbert.ui.state.Input
import org.pocketbert.ui.state.MAX_EDITABLE_CHARACTERS
import org.pocketbert.ui.state.Screen
import org.pocketbert.ui.state.Vectors
import kotlin.test.assertEquals
import kotlin.test.assertIs

/** A person at the screens, with fake engines behind them. */
@OptIn(ExperimentalTestApi::class)
class ClickThroughTest {
    private val texts = Texts()
    private val executorch = FakeFactory("executorch", "ExecuTorch")
    private val tflite = FakeFactory("tflite", "TFLite")
    private val clipboard = FakeClipboard()
    private val samples = Vectors.asked.distinctBy { it.question }
        .map { Sample(it.question, it.text, listOf(it.question)) }
    private var numTurns by mutableStateOf(0)

    private fun clicking(
        open: () -> Bundle = { openBundle(FIXTURE) },
        test: SkikoComposeUiTest.(Demo) -> Unit,
    ) {
        val demo = Demo(
            { open() },
            listOf(executorch, tflite),
            Input("", "", "executorch"),
            Dispatchers.Unconfined,
        )
        demo.use { drawn(Look("clicking"), { Screens(demo) }) { test(demo) } }
    }

    @Composable
    private fun Screens(demo: Demo) {
        val state by demo.state.collectAsState()
        CompositionLocalProvider(LocalClipboardManager provides clipboard) {
            key(numTurns) { Screens(state, demo, samples, libraries = emptyMap()) }
        }
    }

    private fun SkikoComposeUiTest.click(text: String) {
        onNodeWithText(text).performClick()
        waitForIdle()
    }

    private fun SkikoComposeUiTest.clickIcon(description: String) {
        onNodeWithContentDescription(description).performClick()
        waitForIdle()
    }

    private fun SkikoComposeUiTest.field(): SemanticsNodeInteraction = onNode(hasSetTextAction())

    @Test
    fun `a sample is picked, asked, and asked again with the other engine`() = clicking { demo ->
        click(texts.samples)
        onNode(hasText(samples[1].title)).performClick()
        waitForIdle()
        click(texts.ask)
        onNode(hasText(texts.answer) and hasText("ExecuTorch"))
            .assert(hasText(Vectors.asked[1].answer))

        chip("ExecuTorch").assertIsSelected()
        chip("TFLite").assertIsNotSelected().performClick()
        waitForIdle()
        chip("TFLite").assertIsSelected()
        assertIs<AnswerState.Answered>(demo.state.value.answer)
        assertEquals(1, tflite.opened.size)
    }

    private fun SkikoComposeUiTest.chip(label: String) = onNode(
        hasText(label) and SemanticsMatcher.expectValue(SemanticsProperties.Role, Role.RadioButton),
    )

    @Test
    fun `a question that is written is the one that is asked`() = clicking { demo ->
        demo.changeText(Vectors.short.text)
        field().performTextReplacement(Vectors.short.question)
        click(texts.ask)
        val answered = assertIs<AnswerState.Answered>(demo.state.value.answer)
        assertEquals(Vectors.short.answer, answered.answer.text)
    }

    @Test
    fun `when the phone is turned, question and answer are still there`() = clicking { demo ->
        demo.changeText(Vectors.short.text)
        field().performTextReplacement(Vectors.short.question)
        click(texts.ask)
        numTurns++
        waitForIdle()
        field().assert(hasText(Vectors.short.question))
        onNode(hasText(texts.answer)).assert(hasText(Vectors.short.answer))
    }

    @Test
    fun `a question to try is asked at a touch, and stands in the field`() = clicking { demo ->
        demo.changeText(samples[0].text)
        waitForIdle()
        click(samples[0].questions[0])
        assertIs<AnswerState.Answered>(demo.state.value.answer)
        field().assert(hasText(samples[0].questions[0]))
    }

    @Test
    fun `a text is written, cleared and left`() = clicking { demo ->
        click(texts.edit)
        field().performTextReplacement("Some text.")
        assertEquals("Some text.", demo.state.value.input.text)
        click(texts.clear)
        assertEquals("", demo.state.value.input.text)
        clickIcon(texts.back)
        onNodeWithText(texts.noText).assertExists()
    }

    @Test
    fun `ten megabytes are pasted into the screen and into the field`() {
        clipboard.text = "word ".repeat(2_000_000)
        clicking { demo ->
            click(texts.paste)
            onNodeWithText("The text is too long").assertExists()
            onNodeWithText(texts.leftOut(9_800_000)).assertExists()
            onNodeWithText(texts.edit).assertIsNotEnabled()

            demo.changeText("Some text.")
            waitForIdle()
            click(texts.edit)
            field().performTextReplacement(clipboard.text)
            waitForIdle()
            onNodeWithText("The text is too long").assertExists()
        }
    }

    @Test
    fun `the longest text that can be edited is edited`() = clicking { demo ->
        click(texts.edit)
        val text = "word ".repeat(MAX_EDITABLE_CHARACTERS / 5).dropLast(1)
        field().performTextReplacement(text)
        waitForIdle()
        field().performTextInput("s")
        waitForIdle()
        assertEquals(text + "s", demo.state.value.input.text)
        assertEquals(Screen.EDIT, demo.state.value.screen)
    }

    @Test
    fun `an empty clipboard changes nothing`() = clicking { demo ->
        click(texts.paste)
        assertEquals("", demo.state.value.input.text)
    }

    @Test
    fun `an engine that fails gives way to the other at a touch`() {
        executorch.onRun = { throw EngineException("0x20") }
        clicking { demo ->
            demo.takeSample(Vectors.short.text, Vectors.short.question)
            waitForIdle()
            click(texts.ask)
            onNodeWithText("ExecuTorch failed").assertExists()
            onNodeWithText(texts.tryEngine("TFLite")).performScrollTo().performClick()
            waitForIdle()
            assertIs<AnswerState.Answered>(demo.state.value.answer)
        }
    }

    @Test
    fun `an empty question is told`() = clicking {
        click(texts.ask)
        onNodeWithText("There is no question").assertExists()
    }

    @Test
    fun `the self test is run`() = clicking {
        clickIcon(texts.selfTest)
        click(texts.runSelfTest)
        onNodeWithText(texts.allPassed).assertExists()
        assertEquals(4, onAllNodesWithText(texts.passed).fetchSemanticsNodes().size)
    }

    @Test
    fun `two texts to label come from samples, the clipboard and the keys`() {
        executorch.onRun = { mapOf("logits" to floatArrayOf(0f, 1f, 3f)) }
        val folder = classifierBundle(isPair = true)
        clicking({ openBundle(folder) }) { demo ->
            click(texts.samples)
            onNode(hasText(samples[1].title) and hasClickAction()).performClick()
            waitForIdle()
            field(texts.textToClassify).assert(hasText(samples[1].text))
            field(texts.secondText).assert(hasText(samples[1].questions[0]))

            clipboard.text = "soup ".repeat(300)
            click(texts.pasteSecond)
            field(texts.secondText).assert(hasText(clipboard.text))
            assertEquals(clipboard.text, demo.state.value.input.question)

            clipboard.text = "soup ".repeat(4_002)
            click(texts.paste)
            onNodeWithText(texts.leftOut(10)).assertExists()
            field(texts.textToClassify).performTextReplacement("cold soup")
            waitForIdle()
            onNodeWithText(texts.leftOut(10)).assertDoesNotExist()
            assertEquals("cold soup", demo.state.value.input.text)

            clickIcon(texts.selfTest)
            onNodeWithText(texts.selfTestIntroOfClassifier).assertExists()
            onNodeWithText(texts.selfTestIntro).assertDoesNotExist()
        }
    }

    private fun SkikoComposeUiTest.field(label: String): SemanticsNodeInteraction =
        onNode(hasSetTextAction() and hasText(label))

    @Test
    fun `the licences are shown`() = clicking { demo ->
        clickIcon(texts.about)
        onNodeWithText("Unicode-3.0").assertExists()
        clickIcon(texts.back)
        assertEquals(Screen.ASK, demo.state.value.screen)
    }

    @Test
    fun `a bundle that was not there is looked for again`() {
        var isThere = false
        clicking({ if (isThere) openBundle(FIXTURE) else throw NoBundleException("none") }) {
            isThere = true
            click(texts.tryAgain)
            onNodeWithText(texts.ask).assertExists()
        }
    }
}

private class FakeClipboard : ClipboardManager {
    var text = ""

    override fun getText(): AnnotatedString? = text.ifEmpty { null }?.let(::AnnotatedString)

    override fun setText(annotatedString: AnnotatedString) {
        text = annotatedString.text
    }
}
