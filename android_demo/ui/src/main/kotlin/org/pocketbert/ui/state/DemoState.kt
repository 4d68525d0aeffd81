package org.pocketbert.ui.state

import org.pocketbert.core.Answer
import org.pocketbert.core.Classification
import org.pocketbert.core.EngineResult
import org.pocketbert.core.Manifest
import org.pocketbert.core.TaskValue

/** All that the screens show. */
data class DemoState(
    val screen: Screen,
    val bundle: BundleState,
    val engines: List<EngineChoice>,
    val input: Input,
    val answer: AnswerState = AnswerState.Idle,
    val selfTest: SelfTestState = SelfTestState.NotRun,
)

/** What fills the window. */
enum class Screen { ASK, EDIT, SELF_TEST, ABOUT }

/** One place of the engine switch. */
data class EngineChoice(val backend: String, val label: String)

/** What became of the model bundle. */
sealed interface BundleState {
    data object Loading : BundleState

    data class Failed(val problem: Problem) : BundleState

    data class Ready(val manifest: Manifest, val maxTextCharacters: Int) : BundleState {
        /** Whether it labels texts, and answers no questions. */
        val isClassifier: Boolean get() = manifest.task.name == "text-classification"

        /** Whether it labels two texts together. */
        val takesTwoTexts: Boolean
            get() = isClassifier && manifest.task.rules["pair"] == TaskValue.Truth(true)

        /** What is kept of a text, in code points; that of a classifier stands in a field. */
        val maxKeptOfText: Int
            get() = if (isClassifier) {
                minOf(maxTextCharacters, MAX_EDITABLE_CHARACTERS)
            } else {
                maxTextCharacters
            }

        /** What is kept of a question, in code points; a second text is as long as the first. */
        val maxKeptOfQuestion: Int
            get() = if (isClassifier) maxKeptOfText else MAX_QUESTION_CHARACTERS
    }
}

/** What became of the question. It belongs to the text, question and engine that the state has. */
sealed interface AnswerState {
    data object Idle : AnswerState

    data object Answering : AnswerState

    /** @property latencyMs from the texts to the answer; the engine was loaded before. */
    data class Answered(val answer: Answer, val latencyMs: Double) : AnswerState

    /** @property latencyMs as an answer's. */
    data class Classified(val classification: Classification, val latencyMs: Double) : AnswerState

    data class Failed(val problem: Problem) : AnswerState
}

/** How far the test on this device has come. */
sealed interface SelfTestState {
    data object NotRun : SelfTestState

    data class Running(val steps: List<SelfTestStep>) : SelfTestState

    data class Done(val steps: List<SelfTestStep>) : SelfTestState
}

/** @property engine that the step is about; none is the reading of texts, which needs no engine. */
data class SelfTestStep(val engine: EngineChoice?, val progress: StepProgress)

/** What became of one step of the test. */
sealed interface StepProgress {
    data object Waiting : StepProgress

    /** @property numWindows that the engine has run. */
    data class Running(val numWindows: Int = 0) : StepProgress

    /** @property problems in words; empty is good. */
    data class Read(val problems: List<String>) : StepProgress

    data class Asked(val result: EngineResult) : StepProgress

    data class Failed(val problem: Problem) : StepProgress
}

/** Whether a step that has ended found nothing wrong. */
val StepProgress.hasPassed: Boolean
    get() = when (this) {
        is StepProgress.Read -> problems.isEmpty()
        is StepProgress.Asked -> result.problems.isEmpty()
        else -> false
    }

/** Whether nothing more comes of a step. */
val StepProgress.hasEnded: Boolean
    get() = this !is StepProgress.Waiting && this !is StepProgress.Running
