package org.pocketbert.ui.state

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import org.pocketbert.core.Bundle
import org.pocketbert.core.EngineFactory
import org.pocketbert.core.TextPart
import org.pocketbert.core.UnreadableTextException
import org.pocketbert.core.ask
import org.pocketbert.core.classify
import kotlin.time.Duration
import kotlin.time.DurationUnit
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/** Without a key, before a text is classified: typing is quicker than that. */
private val PAUSE = 300.milliseconds

/**
 * What the screens show and do. It outlives them: rotation does not disturb an answer on its way.
 *
 * One thing runs at a time, an answer or a self test. What is begun ends what ran before, which
 * notices that between two windows. Whatever fails becomes a state: also what is no [Exception], as
 * a native library that is not there and a model that does not fit into memory throw errors.
 *
 * @param openBundle finds, checks and reads the bundle; called on [worker].
 * @param factories of all engines, in the order of the switch.
 * @param start what the fields hold at first.
 * @param worker runs all that takes time.
 */
class Demo(
    private val openBundle: suspend () -> Bundle,
    private val factories: List<EngineFactory>,
    start: Input,
    private val worker: CoroutineDispatcher,
    private val clock: TimeSource = TimeSource.Monotonic,
) : DemoActions, AutoCloseable {
    private val scope = CoroutineScope(SupervisorJob() + worker)
    private val slot = EngineSlot()
    private var work: Job? = null

    @Volatile
    private var bundle: Bundle? = null

    private val mutableState = MutableStateFlow(
        DemoState(
            screen = Screen.ASK,
            bundle = BundleState.Loading,
            engines = factories.map { it.choice },
            input = start.copy(backend = factoryOf(start.backend).backend),
        ),
    )
    val state: StateFlow<DemoState> = mutableState.asStateFlow()

    private val ready: BundleState.Ready? get() = state.value.bundle as? BundleState.Ready

    init {
        load()
    }

    override fun retry() {
        if (state.value.bundle is BundleState.Failed) load()
    }

    override fun show(screen: Screen) {
        if (screen != state.value.screen) stop { it.copy(screen = screen) }
    }

    override fun changeText(text: String) {
        val ready = ready ?: return
        val kept = beginningOf(text, ready.maxKeptOfText)
        val isWhole = kept.length == text.length
        val answer = if (isWhole || ready.isClassifier) AnswerState.Idle else tooLong(text)
        stop {
            val input = it.input.copy(text = kept, numLeftOut = text.length - kept.length)
            val endsEditing = it.screen == Screen.EDIT && !input.isEditable
            it.copy(
                screen = if (endsEditing) Screen.ASK else it.screen,
                input = input,
                answer = answer,
            )
        }
        if (answer is AnswerState.Idle) classifySoon()
    }

    override fun changeQuestion(question: String) {
        val ready = ready ?: return
        val kept = beginningOf(question, ready.maxKeptOfQuestion)
        val numLeftOut = question.length - kept.length
        stop {
            val input = it.input.copy(question = kept, numLeftOutOfQuestion = numLeftOut)
            it.copy(input = input, answer = AnswerState.Idle)
        }
        classifySoon()
    }

    override fun replaceText(text: String) {
        changeText(text)
        showInput()
    }

    override fun replaceQuestion(question: String) {
        changeQuestion(question)
        showInput()
    }

    override fun takeSample(text: String, question: String) {
        changeQuestion(question)
        replaceText(text)
    }

    /** Lets the fields show what the state has; what runs goes on. */
    private fun showInput() = mutableState.update {
        it.copy(input = it.input.copy(revision = it.input.revision + 1))
    }

    override fun chooseEngine(backend: String) {
        val asksAgain = when (val answer = state.value.answer) {
            AnswerState.Idle -> false
            AnswerState.Answering, is AnswerState.Answered, is AnswerState.Classified -> true
            is AnswerState.Failed -> answer.problem is Problem.EngineFailed
        }
        stop { it.copy(input = it.input.copy(backend = backend), answer = AnswerState.Idle) }
        if (asksAgain) ask() else warmUp()
    }

    override fun ask() = answerAfter(0.seconds)

    /** Classifies a text when no key was touched for a moment; each key begins that anew. */
    private fun classifySoon() {
        if (ready?.isClassifier == true && state.value.input.text.isNotBlank()) answerAfter(PAUSE)
    }

    private fun answerAfter(pause: Duration) {
        val bundle = bundle ?: return
        val (text, question, backend) = state.value.input
        begin({ it.copy(answer = AnswerState.Answering) }) {
            delay(pause)
            val answer = answerOf(bundle, factoryOf(backend), question, text)
            publish { it.copy(answer = answer) }
        }
    }

    override fun runSelfTest() {
        val bundle = bundle ?: return
        begin({ it.copy(selfTest = SelfTestState.Running(emptyList())) }) {
            val steps = SelfTestRun(bundle, factories, slot).run { steps ->
                publish { it.copy(selfTest = SelfTestState.Running(steps)) }
            }
            publish { it.copy(selfTest = SelfTestState.Done(steps)) }
        }
    }

    override fun cancel() = stop { it }

    /** Ends what runs, and closes the engine when that has ended. */
    override fun close() {
        scope.cancel()
        CoroutineScope(worker).launch { slot.close() }
    }

    private fun load() {
        mutableState.update { it.copy(bundle = BundleState.Loading) }
        scope.launch {
            try {
                val opened = openBundle()
                bundle = opened
                val ready = BundleState.Ready(opened.manifest, opened.maxTextCharacters)
                publish { it.copy(bundle = ready) }
                warmUp()
            } catch (failure: Throwable) {
                ensureActive()
                publish { it.copy(bundle = BundleState.Failed(bundleProblem(failure))) }
            }
        }
    }

    /** Opens the engine before somebody asks, and tells at once if it does not open. */
    private fun warmUp() {
        val bundle = bundle ?: return
        val factory = factoryOf(state.value.input.backend)
        scope.launch {
            try {
                slot.use(bundle, factory) {}
            } catch (failure: Throwable) {
                ensureActive()
                val failed = AnswerState.Failed(engineProblem(failure, factory.label))
                publish {
                    val isAwaited = it.answer is AnswerState.Idle &&
                        it.input.backend == factory.backend
                    if (isAwaited) it.copy(answer = failed) else it
                }
            }
        }
    }

    private suspend fun answerOf(
        bundle: Bundle,
        factory: EngineFactory,
        question: String,
        text: String,
    ): AnswerState {
        val context = currentCoroutineContext()
        return try {
            slot.use(bundle, factory) { opened ->
                val begin = clock.markNow()
                fun milliseconds() = begin.elapsedNow().toDouble(DurationUnit.MILLISECONDS)
                val ready = BundleState.Ready(bundle.manifest, bundle.maxTextCharacters)
                if (ready.isClassifier) {
                    val second = question.takeIf { ready.takesTwoTexts }
                    val found = opened.reader.classify(text, second) { context.ensureActive() }
                    AnswerState.Classified(found, milliseconds())
                } else {
                    val answer = opened.reader.ask(question, text) { context.ensureActive() }
                    AnswerState.Answered(answer, milliseconds())
                }
            }
        } catch (failure: Throwable) {
            context.ensureActive()
            AnswerState.Failed(engineProblem(failure, factory.label))
        }
    }

    private fun tooLong(text: String) = AnswerState.Failed(
        Problem.UnreadableText(
            part = TextPart.CONTEXT,
            reason = UnreadableTextException.Reason.TOO_LONG,
            details = "${text.length} UTF-16 units",
        ),
    )

    /** Ends what runs, and begins this. */
    private fun begin(change: (DemoState) -> DemoState, block: suspend CoroutineScope.() -> Unit) {
        stop(change)
        work = scope.launch(block = block)
    }

    /** Ends what runs, and changes the state. */
    private fun stop(change: (DemoState) -> DemoState) {
        work?.cancel()
        mutableState.update {
            val answer = if (it.answer is AnswerState.Answering) AnswerState.Idle else it.answer
            val selfTest =
                if (it.selfTest is SelfTestState.Running) SelfTestState.NotRun else it.selfTest
            change(it.copy(answer = answer, selfTest = selfTest))
        }
    }

    /** Changes the state, unless what wants it was ended: [stop] ends first, and changes then. */
    private fun CoroutineScope.publish(change: (DemoState) -> DemoState) =
        mutableState.update { if (isActive) change(it) else it }

    private fun factoryOf(backend: String): EngineFactory =
        factories.firstOrNull { it.backend == backend } ?: factories.first()
}

internal val EngineFactory.choice: EngineChoice get() = EngineChoice(backend, label)
