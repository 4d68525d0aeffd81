package org.pocketbert.ui.state

import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import org.pocketbert.core.Bundle
import org.pocketbert.core.EngineFactory
import org.pocketbert.core.SelfTest

/** One run of the self test: the reading of texts, then each engine in turn. */
internal class SelfTestRun(
    private val bundle: Bundle,
    private val factories: List<EngineFactory>,
    private val slot: EngineSlot,
) {
    private val steps = (listOf(null) + factories.map { it.choice })
        .map { SelfTestStep(it, StepProgress.Waiting) }
        .toMutableList()

    /** Returns what became of all steps, and tells [publish] about each on the way. */
    suspend fun run(publish: (List<SelfTestStep>) -> Unit): List<SelfTestStep> {
        fun set(index: Int, progress: StepProgress) {
            steps[index] = steps[index].copy(progress = progress)
            publish(steps.toList())
        }
        set(0, StepProgress.Running())
        set(0, attempt(::bundleProblem) { StepProgress.Read(SelfTest(bundle).checkReading()) })
        factories.forEachIndexed { index, factory ->
            set(index + 1, StepProgress.Running())
            set(index + 1, check(factory) { set(index + 1, StepProgress.Running(it)) })
        }
        return steps.toList()
    }

    private suspend fun check(factory: EngineFactory, onWindow: (Int) -> Unit): StepProgress =
        attempt({ engineProblem(it, factory.label) }) {
            val context = currentCoroutineContext()
            slot.use(bundle, factory) { opened ->
                var numWindows = 0
                val result = SelfTest(bundle).checkEngine(opened.engine) {
                    context.ensureActive()
                    onWindow(++numWindows)
                }
                StepProgress.Asked(result)
            }
        }

    private suspend fun attempt(
        problem: (Throwable) -> Problem,
        step: suspend () -> StepProgress,
    ): StepProgress = try {
        step()
    } catch (failure: Throwable) {
        currentCoroutineContext().ensureActive()
        StepProgress.Failed(problem(failure))
    }
}
