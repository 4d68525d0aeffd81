package org.pocketbert.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.ColumnScope
import androidx.compose.foundation.layout.ExperimentalLayoutApi
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.material3.ButtonDefaults
import androidx.compose.material3.Card
import androidx.compose.material3.CardDefaults
import androidx.compose.material3.CircularProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.unit.dp
import org.pocketbert.ui.state.AnswerState
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.DemoState
import org.pocketbert.ui.state.EngineChoice
import org.pocketbert.ui.state.Problem

/** What became of the question or the text. It is always there, so that its changes are read out. */
@Composable
fun AnswerPanel(state: DemoState, isAnswering: Boolean, actions: DemoActions) =
    Box(Modifier.semantics { liveRegion = LiveRegionMode.Polite }) {
        when (val answer = state.answer) {
            AnswerState.Idle -> Unit
            AnswerState.Answering -> if (isAnswering) Answering()
            is AnswerState.Answered -> AnswerCard(answer, labelOf(state))
            is AnswerState.Classified -> LabelsCard(answer, labelOf(state))
            is AnswerState.Failed -> ProblemCard(
                answer.problem,
                others = state.engines.filter { it.backend != state.input.backend },
                onTry = actions::chooseEngine,
            )
        }
    }

private fun labelOf(state: DemoState): String =
    state.engines.firstOrNull { it.backend == state.input.backend }?.label.orEmpty()

@Composable
private fun Answering() = Row(
    Modifier.padding(bottom = 16.dp),
    horizontalArrangement = Arrangement.spacedBy(12.dp),
    verticalAlignment = Alignment.CenterVertically,
) {
    CircularProgressIndicator(Modifier.size(24.dp))
    Text(LocalTexts.current.answering)
}

@Composable
private fun AnswerCard(answered: AnswerState.Answered, engine: String) = PanelCard(
    container = MaterialTheme.colorScheme.tertiaryContainer,
    content = MaterialTheme.colorScheme.onTertiaryContainer,
) {
    val texts = LocalTexts.current
    Text(texts.answer, style = MaterialTheme.typography.labelMedium)
    Text(
        answered.answer.text,
        maxLines = 3,
        overflow = TextOverflow.Ellipsis,
        style = MaterialTheme.typography.titleLarge,
    )
    Facts(texts.score(answered.answer.score), texts.latency(answered.latencyMs), engine)
}

@OptIn(ExperimentalLayoutApi::class)
@Composable
internal fun Facts(vararg facts: String) =
    FlowRow(horizontalArrangement = Arrangement.spacedBy(16.dp)) {
        for (fact in facts) Text(fact, style = MaterialTheme.typography.labelLarge)
    }

@OptIn(ExperimentalLayoutApi::class)
@Composable
private fun ProblemCard(
    problem: Problem,
    others: List<EngineChoice>,
    onTry: (String) -> Unit,
) = PanelCard(
    container = MaterialTheme.colorScheme.errorContainer,
    content = MaterialTheme.colorScheme.onErrorContainer,
) {
    val texts = LocalTexts.current
    val said = texts.problem(problem)
    Text(said.title, style = MaterialTheme.typography.titleMedium)
    Text(said.body, style = MaterialTheme.typography.bodyMedium)
    Text(said.advice, style = MaterialTheme.typography.bodyMedium)
    if (problem !is Problem.UnreadableText) {
        Text(problem.details, style = MaterialTheme.typography.bodySmall)
        FlowRow(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
            for (engine in others) {
                OutlinedButton(
                    onClick = { onTry(engine.backend) },
                    colors = ButtonDefaults.outlinedButtonColors(
                        contentColor = MaterialTheme.colorScheme.onErrorContainer,
                    ),
                ) { Text(texts.tryEngine(engine.label)) }
            }
        }
    }
}

@Composable
internal fun PanelCard(
    container: Color,
    content: Color,
    body: @Composable ColumnScope.() -> Unit,
) = Card(
    Modifier.padding(bottom = 16.dp).fillMaxWidth().semantics(mergeDescendants = true) {},
    colors = CardDefaults.cardColors(containerColor = container, contentColor = content),
) {
    Column(
        Modifier.padding(16.dp),
        verticalArrangement = Arrangement.spacedBy(4.dp),
        content = body,
    )
}
