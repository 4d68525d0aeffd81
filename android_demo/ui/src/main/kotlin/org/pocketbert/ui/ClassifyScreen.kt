package org.pocketbert.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.ExperimentalLayoutApi
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.getValue
import androidx.compose.runtime.key
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.semantics.clearAndSetSemantics
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.font.FontWeight
import androidx.compose.ui.unit.dp
import org.pocketbert.core.Classification
import org.pocketbert.ui.state.AnswerState
import org.pocketbert.ui.state.BundleState
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.DemoState
import org.pocketbert.ui.state.Input
import org.pocketbert.ui.state.beginningOf

/** Of a model of very many labels no more is of use. */
private const val MAX_LABELS_SHOWN = 20

/** A text, or two, and what the model says of them while they are written. */
@Composable
fun ClassifyScreen(
    state: DemoState,
    bundle: BundleState.Ready,
    actions: DemoActions,
    samples: List<Sample>,
) {
    val input = state.input
    LaunchedEffect(Unit) {
        if (state.answer is AnswerState.Idle && input.text.isNotBlank()) actions.ask()
    }
    Frame(title = LocalTexts.current.appName, actions = { ToOtherScreens(actions) }) { padding ->
        Page(padding) {
            Privacy()
            Sources(bundle, actions, samples)
            Fields(input, bundle, actions)
            EngineSwitch(state.engines, input.backend, actions::chooseEngine)
            val isAnswering = isWorthShowing(state.answer is AnswerState.Answering)
            AnswerPanel(state, isAnswering, actions)
        }
    }
}

@OptIn(ExperimentalLayoutApi::class)
@Composable
private fun Sources(bundle: BundleState.Ready, actions: DemoActions, samples: List<Sample>) =
    FlowRow {
        val texts = LocalTexts.current
        SamplesButton(actions, samples)
        PasteButton(texts.paste, actions::replaceText)
        if (bundle.takesTwoTexts) PasteButton(texts.pasteSecond, actions::replaceQuestion)
    }

/** The texts, and under each how much of it was too much. */
@Composable
private fun Fields(input: Input, bundle: BundleState.Ready, actions: DemoActions) = Column {
    val texts = LocalTexts.current
    key(input.revision) {
        TextField(texts.textToClassify, input.text, 4, bundle.maxKeptOfText, actions::changeText)
        if (input.numLeftOut > 0) Note(texts.leftOut(input.numLeftOut))
        if (bundle.takesTwoTexts) {
            TextField(
                texts.secondText,
                input.question,
                lines = 2,
                bundle.maxKeptOfQuestion,
                actions::changeQuestion,
            )
            if (input.numLeftOutOfQuestion > 0) {
                Note(texts.secondLeftOut(input.numLeftOutOfQuestion))
            }
        }
    }
}

/**
 * A field, which keeps the beginning of a text. What it holds is its own, so that no key waits for
 * the state.
 *
 * @param most code points that it keeps; [onChange] gets all that was put in.
 */
@Composable
private fun TextField(
    label: String,
    text: String,
    lines: Int,
    most: Int,
    onChange: (String) -> Unit,
) {
    var shown by remember { mutableStateOf(beginningOf(text, most)) }
    OutlinedTextField(
        value = shown,
        onValueChange = {
            shown = beginningOf(it, most)
            onChange(it)
        },
        Modifier.fillMaxWidth(),
        label = { Text(label) },
        minLines = lines,
        maxLines = 3 * lines,
    )
}

/** Every label with its score, or the number. */
@Composable
internal fun LabelsCard(classified: AnswerState.Classified, engine: String) {
    val texts = LocalTexts.current
    val found = classified.classification
    val number = found.number
    PanelCard(
        container = MaterialTheme.colorScheme.tertiaryContainer,
        content = MaterialTheme.colorScheme.onTertiaryContainer,
    ) {
        Text(
            if (number == null) texts.labels else texts.number,
            style = MaterialTheme.typography.labelMedium,
        )
        Text(
            number?.let(texts::value) ?: found.labels.joinToString(", ").ifEmpty { texts.noLabel },
            style = MaterialTheme.typography.titleLarge,
        )
        Scores(found)
        if (found.numTokensRead < found.numTokens) {
            Text(
                texts.tokensRead(found.numTokensRead, found.numTokens),
                style = MaterialTheme.typography.bodyMedium,
            )
        }
        Facts(texts.latency(classified.latencyMs), engine)
    }
}

@Composable
private fun Scores(found: Classification) {
    for ((label, score) in found.scores.take(MAX_LABELS_SHOWN)) {
        ScoreRow(label, score, isChosen = label in found.labels)
    }
    val numOthers = found.scores.size - MAX_LABELS_SHOWN
    if (numOthers > 0) Text(LocalTexts.current.moreProblems(numOthers))
}

/** A bar for the eye; the per cent says the same. Bold for those who do not tell colours apart. */
@Composable
private fun ScoreRow(label: String, score: Double, isChosen: Boolean) =
    Column(Modifier.padding(vertical = 4.dp).semantics(mergeDescendants = true) {}) {
        val weight = if (isChosen) FontWeight.Bold else FontWeight.Normal
        Row(Modifier.fillMaxWidth(), Arrangement.spacedBy(8.dp)) {
            Text(label, Modifier.weight(1f), fontWeight = weight)
            Text(LocalTexts.current.perCent(score), fontWeight = weight)
        }
        LinearProgressIndicator(
            progress = score.toFloat(),
            Modifier.fillMaxWidth().clearAndSetSemantics {},
            color = MaterialTheme.colorScheme.tertiary,
            trackColor = MaterialTheme.colorScheme.surface,
        )
    }
