package org.pocketbert.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
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
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.DemoState
import org.pocketbert.ui.state.MAX_EDITABLE_CHARACTERS
import org.pocketbert.ui.state.beginningOf
import org.pocketbert.ui.state.beginningOfQuestion

/** Of a model of very many labels no more is of use. */
private const val MAX_LABELS_SHOWN = 20

/** A text, or two, and what the model says of them while they are written. */
@Composable
fun ClassifyScreen(state: DemoState, isPair: Boolean, actions: DemoActions) {
    val texts = LocalTexts.current
    val input = state.input
    LaunchedEffect(Unit) {
        if (state.answer is AnswerState.Idle && input.text.isNotBlank()) actions.ask()
    }
    Frame(title = texts.appName, actions = { ToOtherScreens(actions) }) { padding ->
        Page(padding) {
            Privacy()
            TextField(texts.textToClassify, input.text, lines = 4, change = actions::changeText) {
                beginningOf(it, MAX_EDITABLE_CHARACTERS)
            }
            if (isPair) {
                TextField(texts.secondText, input.question, lines = 2, actions::changeQuestion) {
                    beginningOfQuestion(it)
                }
            }
            EngineSwitch(state.engines, input.backend, actions::chooseEngine)
            val isAnswering = isWorthShowing(state.answer is AnswerState.Answering)
            AnswerPanel(state, isAnswering, actions)
        }
    }
}

/** What it holds is its own, so that no key waits for the state. */
@Composable
private fun TextField(
    label: String,
    text: String,
    lines: Int,
    change: (String) -> Unit,
    kept: (String) -> String,
) {
    var shown by remember { mutableStateOf(kept(text)) }
    OutlinedTextField(
        value = shown,
        onValueChange = {
            shown = kept(it)
            change(shown)
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
