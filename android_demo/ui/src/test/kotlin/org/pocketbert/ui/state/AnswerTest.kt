package org.pocketbert.ui.state

import org.junit.jupiter.api.Test
import org.pocketbert.core.EngineException
import org.pocketbert.core.TextPart
import org.pocketbert.core.UnreadableTextException.Reason
import org.pocketbert.core.UnsupportedArtifactException
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds

class AnswerTest {
    @Test
    fun `every question of the bundle has the answer that Python saw`() = demoTest {
        for (asked in Vectors.asked) {
            askAbout(asked)
            assertEquals(AnswerState.Answering, state.answer)
            settle()
            assertEquals(asked.answer, answer)
        }
        assertEquals(1, executorch.opened.size)
    }

    @Test
    fun `latency counts the reading and not the loading`() = demoTest {
        executorch.onRun = { window -> Vectors.outputsOf(window).also { clock += 7.milliseconds } }
        tflite.onRun = executorch.onRun
        tflite.onOpen = { clock += 900.milliseconds }
        demo.chooseEngine("tflite")
        demo.ask()
        settle()
        val latencyMs = assertIs<AnswerState.Answered>(state.answer).latencyMs
        assertEquals(7.0 * Vectors.short.numWindows, latencyMs)
    }

    @Test
    fun `the engine is open before somebody asks`() = demoTest {
        assertEquals(1, executorch.opened.size)
        assertEquals(AnswerState.Idle, state.answer)
    }

    @Test
    fun `an unreadable text is told and leaves the engine open`() = demoTest {
        val text = Vectors.short.text
        for ((question, context, part, reason) in listOf(
            Case("", text, TextPart.QUESTION, Reason.EMPTY),
            Case(" \n", text, TextPart.QUESTION, Reason.EMPTY),
            Case("who?", "", TextPart.CONTEXT, Reason.EMPTY),
            Case("who\uD83D?", text, TextPart.QUESTION, Reason.NO_UNICODE),
            Case("who?", "a \uDE00 b", TextPart.CONTEXT, Reason.NO_UNICODE),
            Case("who?", "ꙮ ꙮ ꙮ ꙮ ꙮ", TextPart.CONTEXT, Reason.UNKNOWN_SCRIPT),
        )) {
            demo.takeSample(context, question)
            demo.ask()
            settle()
            val told = assertIs<Problem.UnreadableText>(problem)
            assertEquals(part to reason, told.part to told.reason)
        }
        assertFalse(executorch.opened.single().isClosed)
    }

    private data class Case(
        val question: String,
        val context: String,
        val part: TextPart,
        val reason: Reason,
    )

    @Test
    fun `a model that does not load is told before somebody asks, and the other engine answers`() {
        for (failure in listOf(EngineException("no memory"), UnsatisfiedLinkError("no library"))) {
            demoTest {
                tflite.onOpen = { throw failure }
                demo.chooseEngine("tflite")
                settle()
                assertEquals(
                    Problem.EngineFailed(EngineStage.LOADING, "TFLite", failure.message.orEmpty()),
                    problem,
                )
                demo.chooseEngine("executorch")
                settle()
                assertEquals(Vectors.short.answer, answer)
            }
        }
    }

    @Test
    fun `a model that wants a newer runtime is told so`() = demoTest {
        tflite.onOpen = { throw UnsupportedArtifactException("wants 2.18") }
        demo.chooseEngine("tflite")
        settle()
        assertEquals(
            Problem.EngineFailed(EngineStage.CHECKING_VERSION, "TFLite", "wants 2.18"),
            problem,
        )
    }

    @Test
    fun `an engine that throws while it runs is closed, told, and opened anew`() {
        for (failure in listOf(
            EngineException("0x20"),
            IllegalStateException("native"),
            OutOfMemoryError("heap"),
        )) {
            demoTest {
                executorch.onRun = { throw failure }
                demo.ask()
                settle()
                assertEquals(EngineStage.RUNNING, assertIs<Problem.EngineFailed>(problem).stage)
                assertTrue(executorch.opened.single().isClosed)

                executorch.onRun = Vectors::outputsOf
                demo.ask()
                settle()
                assertEquals(Vectors.short.answer, answer)
                assertEquals(2, executorch.opened.size)
            }
        }
    }

    @Test
    fun `another text or question takes the answer away`() = demoTest {
        for (change in listOf<() -> Unit>(
            { demo.changeText("Another text.") },
            { demo.changeQuestion("Another question?") },
        )) {
            askAbout(Vectors.short)
            settle()
            assertIs<AnswerState.Answered>(state.answer)
            change()
            assertEquals(AnswerState.Idle, state.answer)
        }
    }

    @Test
    fun `another engine is asked the same again, and the first one is closed`() = demoTest {
        demo.ask()
        settle()
        demo.chooseEngine("tflite")
        assertEquals(AnswerState.Answering, state.answer)
        settle()
        assertEquals(Vectors.short.answer, answer)
        assertTrue(executorch.opened.single().isClosed)
        assertEquals(Vectors.short.numWindows, tflite.opened.single().numRuns)
    }
}
