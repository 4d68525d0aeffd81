package org.pocketbert.ui.state

import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.advanceUntilIdle
import kotlinx.coroutines.test.runTest
import org.pocketbert.core.Bundle
import org.pocketbert.core.openBundle
import org.pocketbert.ui.FIXTURE
import kotlin.test.assertIs
import kotlin.time.TestTimeSource

/** A demo with fake engines on the fixture bundle, and a clock that only engines move. */
class DemoFixture(
    private val scope: TestScope,
    start: Input = Input(Vectors.short.text, Vectors.short.question, "executorch"),
    open: suspend () -> Bundle = { openBundle(FIXTURE) },
) {
    val clock = TestTimeSource()
    val executorch = FakeFactory("executorch", "ExecuTorch")
    val tflite = FakeFactory("tflite", "TFLite")
    val demo = Demo(
        openBundle = open,
        factories = listOf(executorch, tflite),
        start = start,
        worker = StandardTestDispatcher(scope.testScheduler),
        clock = clock,
    )
    val state: DemoState get() = demo.state.value
    val problem: Problem get() = assertIs<AnswerState.Failed>(state.answer).problem
    val answer: String get() = assertIs<AnswerState.Answered>(state.answer).answer.text

    /** Lets everything that was begun come to its end. */
    @OptIn(ExperimentalCoroutinesApi::class)
    fun settle() = scope.advanceUntilIdle()

    /** Lets some time pass, without real waiting. */
    @OptIn(ExperimentalCoroutinesApi::class)
    fun letPass(milliseconds: Long) = scope.testScheduler.advanceTimeBy(milliseconds)

    fun askAbout(asked: Asked) {
        demo.takeSample(asked.text, asked.question)
        demo.ask()
    }
}

/** Runs a test with a demo that is ready. */
fun demoTest(test: suspend DemoFixture.() -> Unit) = runTest {
    DemoFixture(this).apply { settle() }.test()
}
