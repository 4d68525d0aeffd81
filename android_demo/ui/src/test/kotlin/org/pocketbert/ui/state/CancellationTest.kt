package org.pocketbert.ui.state

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Test
import org.pocketbert.core.openBundle
import org.pocketbert.ui.FIXTURE
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue

/** What happens while a window runs: in most tests it is the engine itself that lets it happen. */
class CancellationTest {
    /** Does something once, while a window runs: the first, if not said otherwise. */
    private fun DemoFixture.whileItRuns(number: Int = 1, act: () -> Unit) {
        executorch.onRun = { window ->
            if (executorch.opened.last().numRuns == number) act()
            Vectors.outputsOf(window)
        }
    }

    @Test
    fun `stopping in the middle ends the answer before the next window`() = demoTest {
        whileItRuns { demo.cancel() }
        askAbout(Vectors.long)
        settle()
        assertEquals(AnswerState.Idle, state.answer)
        assertEquals(1, executorch.opened.single().numRuns)
        assertFalse(executorch.opened.single().isClosed)
    }

    @Test
    fun `leaving the screen in the middle ends the answer`() = demoTest {
        whileItRuns { demo.show(Screen.ABOUT) }
        askAbout(Vectors.long)
        settle()
        demo.show(Screen.ASK)
        assertEquals(AnswerState.Idle, state.answer)
        assertEquals(1, executorch.opened.single().numRuns)
    }

    @Test
    fun `a new question in the middle is the one that is answered`() = demoTest {
        whileItRuns { askAbout(Vectors.short) }
        askAbout(Vectors.long)
        settle()
        assertEquals(Vectors.short.answer, answer)
        assertEquals(1 + Vectors.short.numWindows, executorch.opened.single().numRuns)
    }

    @Test
    fun `another engine in the middle answers in place of the first, which is closed`() = demoTest {
        whileItRuns { demo.chooseEngine("tflite") }
        askAbout(Vectors.long)
        settle()
        assertEquals(Vectors.long.answer, answer)
        assertEquals(1, executorch.opened.single().numRuns)
        assertTrue(executorch.opened.single().isClosed)
        assertEquals(Vectors.long.numWindows, tflite.opened.single().numRuns)
    }

    @Test
    fun `an answer that comes after the end of the last window is dropped if it was stopped`() =
        demoTest {
            whileItRuns(number = Vectors.short.numWindows) { demo.cancel() }
            askAbout(Vectors.short)
            settle()
            assertEquals(AnswerState.Idle, state.answer)
        }

    @Test
    fun `a rotation in the middle, which replaces the screens, does not disturb the answer`() =
        demoTest {
            val screens = CoroutineScope(Job())
            screens.launch { demo.state.collect {} }
            whileItRuns { screens.cancel() }
            askAbout(Vectors.long)
            settle()
            assertEquals(Vectors.long.answer, answer)
        }

    @Test
    fun `an app that ends in the middle closes the engine when the window is done`() = demoTest {
        whileItRuns { demo.close() }
        askAbout(Vectors.long)
        settle()
        assertEquals(1, executorch.opened.single().numRuns)
        assertTrue(executorch.opened.single().isClosed)
    }

    @Test
    fun `a native call that cannot be stopped does not hold up the screen, nor meet the next`() {
        val isIn = CountDownLatch(1)
        val mayGoOn = CountDownLatch(1)
        val executorch = FakeFactory("executorch", onRun = { window ->
            isIn.countDown()
            mayGoOn.await()
            Vectors.outputsOf(window)
        })
        Executors.newFixedThreadPool(4).asCoroutineDispatcher().use { threads ->
            val start = Input(Vectors.long.text, Vectors.long.question, "executorch")
            Demo({ openBundle(FIXTURE) }, listOf(executorch), start, threads).use { demo ->
                demo.await { it.bundle is BundleState.Ready }
                demo.ask()
                isIn.await()
                demo.cancel()
                assertEquals(AnswerState.Idle, demo.state.value.answer)
                demo.takeSample(Vectors.short.text, Vectors.short.question)
                demo.ask()
                mayGoOn.countDown()
                val answer = demo.await { it.answer !is AnswerState.Answering }.answer
                val answered = assertIs<AnswerState.Answered>(answer).answer
                assertEquals(Vectors.short.answer, answered.text)
                assertEquals(1 + Vectors.short.numWindows, executorch.opened.single().numRuns)
            }
            while (!executorch.opened.single().isClosed) Thread.sleep(1)
        }
    }

    private fun Demo.await(condition: (DemoState) -> Boolean): DemoState =
        runBlocking { withTimeout(20_000) { state.first(condition) } }
}
