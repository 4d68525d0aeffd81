package org.pocketbert.ui.state

import org.junit.jupiter.api.Test
import org.pocketbert.core.EngineException
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue

class SelfTestRunTest {
    private fun DemoFixture.done(): List<StepProgress> {
        demo.runSelfTest()
        settle()
        return assertIs<SelfTestState.Done>(state.selfTest).steps.map { it.progress }
    }

    @Test
    fun `engines that do what the student did pass`() = demoTest {
        val (reading, first, second) = done()
        assertEquals(StepProgress.Read(emptyList()), reading)
        for (step in listOf(first, second)) {
            val asked = assertIs<StepProgress.Asked>(step)
            assertTrue(step.hasPassed, asked.result.problems.toString())
            assertTrue(asked.result.maxAbsDiff <= asked.result.tolerance)
            assertEquals(asked.result.numAsked, asked.result.numSame)
        }
    }

    @Test
    fun `an engine that answers otherwise fails, with its problems in words`() = demoTest {
        tflite.onRun = { Vectors.zeros(it) }
        val (_, first, second) = done()
        assertTrue(first.hasPassed)
        assertFalse(second.hasPassed)
        assertTrue(assertIs<StepProgress.Asked>(second).result.problems.isNotEmpty())
    }

    @Test
    fun `an engine that fails is told, and the next is tested all the same`() = demoTest {
        executorch.onRun = { throw EngineException("0x20") }
        val (_, first, second) = done()
        assertEquals(
            EngineStage.RUNNING,
            assertIs<Problem.EngineFailed>(assertIs<StepProgress.Failed>(first).problem).stage,
        )
        assertTrue(executorch.opened.single().isClosed)
        assertTrue(second.hasPassed)
    }

    @Test
    fun `its progress is told at each window`() = demoTest {
        val seen = mutableListOf<SelfTestState>()
        executorch.onRun = { window ->
            seen += state.selfTest
            Vectors.outputsOf(window)
        }
        done()
        val counts = seen.map { assertIs<SelfTestState.Running>(it).steps[1].progress }
        assertEquals(List(seen.size) { StepProgress.Running(it + 1) }, counts)
    }

    @Test
    fun `leaving the screen ends it before the next window`() = demoTest {
        demo.show(Screen.SELF_TEST)
        executorch.onRun = { window -> Vectors.outputsOf(window).also { demo.show(Screen.ASK) } }
        demo.runSelfTest()
        settle()
        assertEquals(SelfTestState.NotRun, state.selfTest)
        assertEquals(1, executorch.opened.single().numRuns)
        assertTrue(tflite.opened.isEmpty())
    }
}
