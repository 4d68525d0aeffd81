package org.pocketbert.ui

import org.pocketbert.core.Answer
import org.pocketbert.core.Classification
import org.pocketbert.core.EngineResult
import org.pocketbert.core.LabelScore
import org.pocketbert.core.TaskDescription
import org.pocketbert.core.TaskValue
import org.pocketbert.core.TextPart
import org.pocketbert.core.UnreadableTextException.Reason
import org.pocketbert.core.openBundle
import org.pocketbert.ui.state.AnswerState
import org.pocketbert.ui.state.BundleState
import org.pocketbert.ui.state.DemoState
import org.pocketbert.ui.state.EngineChoice
import org.pocketbert.ui.state.EngineStage
import org.pocketbert.ui.state.Input
import org.pocketbert.ui.state.Problem
import org.pocketbert.ui.state.Screen
import org.pocketbert.ui.state.SelfTestState
import org.pocketbert.ui.state.SelfTestStep
import org.pocketbert.ui.state.StepProgress
import java.nio.file.Path

/** The bundle that the tests of all modules read. */
val FIXTURE: Path = Path.of("..", "core", "src", "test", "resources", "bundle")

private val ready by lazy {
    openBundle(FIXTURE).let { BundleState.Ready(it.manifest, it.maxTextCharacters) }
}

val EXECUTORCH = EngineChoice("executorch", "ExecuTorch")
val TFLITE = EngineChoice("tflite", "TFLite")

/** The ask screen before anything was asked, and what all others are made from. */
fun idleState(sample: Sample = englishSamples.first()) = DemoState(
    screen = Screen.ASK,
    bundle = ready,
    engines = listOf(EXECUTORCH, TFLITE),
    input = Input(sample.text, sample.questions.first(), EXECUTORCH.backend),
)

fun answered(text: String, answer: String, score: Double = 0.934): AnswerState {
    val start = text.indexOf(answer)
    val found = Answer(answer, start, start + answer.length, score)
    return AnswerState.Answered(found, latencyMs = 11.6)
}

/** Every screen in every state, by the name of its picture. */
fun allStates(): Map<String, DemoState> = 
    askStates() + classifyStates() + problemStates() + otherStates()

private fun askStates(): Map<String, DemoState> {
    val idle = idleState()
    val story = idleState(englishSamples.last())
    return mapOf(
        "ask-idle" to idle,
        "ask-empty" to idle.copy(input = Input("", "", TFLITE.backend)),
        "ask-answering" to idle.copy(answer = AnswerState.Answering),
        "ask-answered" to idle.copy(answer = answered(idle.input.text, "Michael Collins")),
        "ask-answered-far-down" to story.copy(
            input = story.input.copy(question = "What did Samuel Okafor buy?"),
            answer = answered(story.input.text, "the old bakery", score = 0.041),
        ),
        "ask-answered-long" to idle.copy(
            answer = answered(idle.input.text, idle.input.text.substringAfter("1969, ").take(170)),
        ),
        "ask-too-long" to idle.copy(
            input = Input("word ".repeat(40_000), "Why?", TFLITE.backend, numLeftOut = 9_800_000),
            answer = failed(Problem.UnreadableText(TextPart.CONTEXT, Reason.TOO_LONG, "")),
        ),
    )
}

/** The screen of a bundle that labels texts, or pairs of texts. */
private fun classifying(isPair: Boolean = false): DemoState {
    val idle = idleState()
    val rules = mapOf("pair" to TaskValue.Truth(isPair))
    val task = TaskDescription("text-classification", rules, emptyList())
    val bundle = ready.copy(manifest = ready.manifest.copy(task = task))
    val text = "The soup was cold, but the waiter was kind and the view over the bay is lovely."
    return idle.copy(bundle = bundle, input = idle.input.copy(text = text))
}

private fun classified(
    vararg scores: Pair<String, Double>,
    labels: List<String> = listOf(scores.first().first),
    number: Double? = null,
    numTokensRead: Int = 20,
): AnswerState {
    val all = scores.map { (label, score) -> LabelScore(label, score) }
    return AnswerState.Classified(Classification(all, labels, number, 20, numTokensRead), 8.4)
}

private fun classifyStates(): Map<String, DemoState> {
    val idle = classifying()
    val one = classified("positive" to 0.871, "so-so" to 0.103, "negative" to 0.026)
    return mapOf(
        "classify-idle" to idle,
        "classify-empty" to idle.copy(input = Input("", "", TFLITE.backend)),
        "classify-answering" to idle.copy(answer = AnswerState.Answering),
        "classify-one-label" to idle.copy(answer = one),
        "classify-pair" to classifying(isPair = true).copy(answer = one),
        "classify-pair-too-long" to classifying(isPair = true).let {
            val input = it.input.copy(
                question = "word ".repeat(4_000),
                numLeftOut = 1,
                numLeftOutOfQuestion = 9_980_000,
            )
            it.copy(input = input, answer = one)
        },
        "classify-several" to idle.copy(
            answer = classified(
                "a label with a name of many words that takes more than one line" to 0.97,
                "مطعم" to 0.58,
                "service" to 0.04,
                labels = listOf("a label with a name of many words that takes more than one line", "مطعم"),
                numTokensRead = 14,
            ),
        ),
        "classify-no-label" to idle.copy(
            answer = classified("food" to 0.31, "view" to 0.002, labels = emptyList()),
        ),
        "classify-many-labels" to idle.copy(
            answer = classified(*Array(150) { "topic $it" to 0.9 / (it + 1) }),
        ),
        "classify-number" to idle.copy(
            answer = classified(labels = emptyList(), number = -3.2468),
        ),
        "classify-unreadable" to idle.copy(
            answer = failed(Problem.UnreadableText(TextPart.CONTEXT, Reason.UNKNOWN_SCRIPT, "")),
        ),
    )
}

private fun failed(problem: Problem) = AnswerState.Failed(problem)

private fun problemStates(): Map<String, DemoState> {
    val unreadable = TextPart.entries.flatMap { part ->
        Reason.entries.map { "unreadable-$part-$it" to Problem.UnreadableText(part, it, "…") }
    }
    val engine = EngineStage.entries.map {
        "engine-$it" to Problem.EngineFailed(it, EXECUTORCH.label, "error 0x20 in method forward")
    }
    val bundle = listOf(
        Problem.NoBundle("no folder pocketbert in the assets"),
        Problem.DamagedBundle(
            "executorch/model.pte",
            "executorch/model.pte has the sha256 a36724e6ad1418176cda7f9422182f5c7bc381bf98b184fb" +
                "f284958bd0343076, expected e9edc0810b55f182530d0315b8388ec0c0a214e781984dad5ead" +
                "babbc4f2151a",
        ),
        Problem.NoRoom(18_100_000, "18100000 bytes more are needed"),
        Problem.NewerBundle("schema_version is 2.0, this app reads 1"),
        Problem.UntrustedBundle("manifest.sig is not there"),
        Problem.Unexpected("java.lang.IllegalStateException"),
    ).map { "bundle-${it.javaClass.simpleName}" to BundleState.Failed(it) }
    val idle = idleState()
    val states = (unreadable + engine).associate { (name, problem) ->
        name to idle.copy(answer = failed(problem))
    } + bundle.associate { (name, state) -> name to idle.copy(bundle = state) } +
        ("bundle-loading" to idle.copy(bundle = BundleState.Loading))
    return states.mapKeys { (name, _) -> name.lowercase() }
}

private fun otherStates(): Map<String, DemoState> {
    val idle = idleState()
    val selfTest = idle.copy(screen = Screen.SELF_TEST)
    val good = EngineResult(0.00213, 0.02, 24, 24, emptyList())
    val bad = EngineResult(
        1.7,
        0.02,
        22,
        24,
        List(8) { "it answers “When was the mill built?” with “the river”, expected “1874”" },
    )
    return mapOf(
        "edit" to idle.copy(screen = Screen.EDIT),
        "about" to idle.copy(screen = Screen.ABOUT),
        "self-test" to selfTest,
        "self-test-running" to selfTest.copy(
            selfTest = SelfTestState.Running(
                steps(
                    StepProgress.Read(emptyList()),
                    StepProgress.Running(17),
                    StepProgress.Waiting,
                ),
            ),
        ),
        "self-test-passed" to selfTest.copy(
            selfTest = SelfTestState.Done(
                steps(
                    StepProgress.Read(emptyList()),
                    StepProgress.Asked(good),
                    StepProgress.Asked(good),
                ),
            ),
        ),
        "self-test-running-classifier" to classifying().copy(
            screen = Screen.SELF_TEST,
            selfTest = SelfTestState.Running(
                steps(
                    StepProgress.Read(emptyList()),
                    StepProgress.Running(17),
                    StepProgress.Waiting,
                ),
            ),
        ),
        "self-test-failed" to selfTest.copy(
            selfTest = SelfTestState.Done(
                steps(
                    StepProgress.Read(listOf("the text “İstanbul” has other tokens")),
                    StepProgress.Asked(bad),
                    StepProgress.Failed(
                        Problem.EngineFailed(EngineStage.LOADING, TFLITE.label, "no such operator"),
                    ),
                ),
            ),
        ),
    )
}

private fun steps(vararg progress: StepProgress): List<SelfTestStep> =
    listOf(null, EXECUTORCH, TFLITE).zip(progress) { engine, each -> SelfTestStep(engine, each) }
