package org.pocketbert.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.CheckCircle
import androidx.compose.material.icons.filled.Warning
import androidx.compose.material3.Button
import androidx.compose.material3.Card
import androidx.compose.material3.CardDefaults
import androidx.compose.material3.CircularProgressIndicator
import androidx.compose.material3.Icon
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.Screen
import org.pocketbert.ui.state.SelfTestState
import org.pocketbert.ui.state.SelfTestStep
import org.pocketbert.ui.state.StepProgress
import org.pocketbert.ui.state.hasEnded
import org.pocketbert.ui.state.hasPassed

/** More problems than this are counted only. */
private const val NUM_PROBLEMS_SHOWN = 5

/** Whether the model does here what it did where it was built. */
@Composable
fun SelfTestScreen(selfTest: SelfTestState, isClassifier: Boolean, actions: DemoActions) {
    val texts = LocalTexts.current
    Frame(texts.selfTest, onBack = { actions.show(Screen.ASK) }) { padding ->
        Page(padding) {
            Text(if (isClassifier) texts.selfTestIntroOfClassifier else texts.selfTestIntro)
            when (selfTest) {
                SelfTestState.NotRun -> Button(actions::runSelfTest) { Text(texts.runSelfTest) }
                is SelfTestState.Running -> {
                    TotalProgress(selfTest.steps)
                    OutlinedButton(actions::cancel) { Text(texts.stop) }
                    Steps(selfTest.steps, isClassifier)
                }
                is SelfTestState.Done -> {
                    Verdict(hasPassed = selfTest.steps.all { it.progress.hasPassed })
                    Button(actions::runSelfTest) { Text(texts.runSelfTest) }
                    Steps(selfTest.steps, isClassifier)
                }
            }
        }
    }
}

@Composable
private fun TotalProgress(steps: List<SelfTestStep>) = LinearProgressIndicator(
    progress = steps.count { it.progress.hasEnded } / steps.size.coerceAtLeast(1).toFloat(),
    Modifier.fillMaxWidth(),
)

@Composable
private fun Verdict(hasPassed: Boolean) {
    val colors = MaterialTheme.colorScheme
    val texts = LocalTexts.current
    Card(
        Modifier.fillMaxWidth().semantics(mergeDescendants = true) {
            liveRegion = LiveRegionMode.Polite
        },
        colors = CardDefaults.cardColors(
            containerColor = if (hasPassed) colors.primaryContainer else colors.errorContainer,
            contentColor = if (hasPassed) colors.onPrimaryContainer else colors.onErrorContainer,
        ),
    ) {
        Column(Modifier.padding(16.dp), verticalArrangement = Arrangement.spacedBy(4.dp)) {
            Text(
                if (hasPassed) texts.passed else texts.failed,
                style = MaterialTheme.typography.titleLarge,
            )
            Text(if (hasPassed) texts.allPassed else texts.someFailed)
        }
    }
}

@Composable
private fun Steps(steps: List<SelfTestStep>, isClassifier: Boolean) =
    Column(verticalArrangement = Arrangement.spacedBy(16.dp)) {
        for (step in steps) StepRow(step, isClassifier)
    }

@Composable
private fun StepRow(step: SelfTestStep, isClassifier: Boolean) = Row(
    Modifier.fillMaxWidth().semantics(mergeDescendants = true) {},
    horizontalArrangement = Arrangement.spacedBy(16.dp),
) {
    val texts = LocalTexts.current
    StepIcon(step.progress)
    Column(verticalArrangement = Arrangement.spacedBy(4.dp)) {
        Text(
            step.engine?.label ?: texts.readingStep,
            style = MaterialTheme.typography.titleMedium,
        )
        if (step.engine == null) {
            Fact(if (isClassifier) texts.readingStepIntroOfClassifier else texts.readingStepIntro)
        }
        Outcome(step.progress, isClassifier)
    }
}

@Composable
private fun StepIcon(progress: StepProgress) = Box(Modifier.size(24.dp), Alignment.Center) {
    val colors = MaterialTheme.colorScheme
    when {
        progress is StepProgress.Running ->
            CircularProgressIndicator(Modifier.size(20.dp), strokeWidth = 2.dp)
        progress.hasPassed ->
            Icon(Icons.Default.CheckCircle, contentDescription = null, tint = colors.primary)
        progress.hasEnded ->
            Icon(Icons.Default.Warning, contentDescription = null, tint = colors.error)
    }
}

@Composable
private fun Outcome(progress: StepProgress, isClassifier: Boolean) {
    val texts = LocalTexts.current
    when (progress) {
        StepProgress.Waiting -> Fact(texts.waiting)
        is StepProgress.Running -> {
            Fact(texts.running)
            val count = progress.numWindows
            if (count > 0) Fact(if (isClassifier) texts.textsRead(count) else texts.windows(count))
        }
        is StepProgress.Read -> {
            StepVerdict(progress.hasPassed)
            Problems(progress.problems)
        }
        is StepProgress.Asked -> {
            StepVerdict(progress.hasPassed)
            Numbers(progress)
            Problems(progress.result.problems)
        }
        is StepProgress.Failed -> {
            val said = texts.problem(progress.problem)
            StepVerdict(hasPassed = false)
            Problems(listOf(said.title, said.advice, progress.problem.details))
        }
    }
}

@Composable
private fun Numbers(asked: StepProgress.Asked) {
    val texts = LocalTexts.current
    Fact(texts.largestDifference(asked.result.maxAbsDiff, asked.result.tolerance))
    Fact(texts.sameAnswers(asked.result.numSame, asked.result.numAsked))
}

@Composable
private fun StepVerdict(hasPassed: Boolean) = Text(
    if (hasPassed) LocalTexts.current.passed else LocalTexts.current.failed,
    color = MaterialTheme.colorScheme.run { if (hasPassed) primary else error },
    style = MaterialTheme.typography.labelLarge,
)

@Composable
private fun Problems(problems: List<String>) {
    for (problem in problems.take(NUM_PROBLEMS_SHOWN)) Fact(problem)
    val numMore = problems.size - NUM_PROBLEMS_SHOWN
    if (numMore > 0) Fact(LocalTexts.current.moreProblems(numMore))
}

@Composable
private fun Fact(fact: String) = Text(
    fact,
    color = MaterialTheme.colorScheme.onSurfaceVariant,
    style = MaterialTheme.typography.bodyMedium,
)
