package org.pocketbert.ui.state

import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.runTest
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.pocketbert.core.openBundle
import java.nio.file.Path
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs

/** A bundle that labels texts, which Python built; see `pocketbert.classifiers`. */
class ClassifyTest {
    @OptIn(ExperimentalCoroutinesApi::class)
    @Test
    fun `a text is labelled once when it is not written on, and the newest wins`() = runTest {
        val folder = System.getProperty("pocketbert.classifiers")
        assumeTrue(folder != null, "pocketbert.classifiers names no folder of bundles")
        val single = Path.of(folder!!, "single")
        val fixture = DemoFixture(this, Input("", "", "executorch"), open = { openBundle(single) })
        fixture.executorch.onRun = { mapOf("logits" to floatArrayOf(0f, 1f, 3f)) }
        with(fixture) {
            settle()
            demo.changeText("the")
            testScheduler.advanceTimeBy(100)
            demo.changeText("the soup")
            testScheduler.advanceTimeBy(100)
            demo.changeText("the soup was cold")
            settle()
            val found = assertIs<AnswerState.Classified>(state.answer, "${state.answer}")
            assertEquals(listOf("positive"), found.classification.labels)
            assertEquals(1, executorch.opened.single().numRuns)

            demo.changeText("  ")
            settle()
            assertEquals(AnswerState.Idle, state.answer)
        }
    }
}
