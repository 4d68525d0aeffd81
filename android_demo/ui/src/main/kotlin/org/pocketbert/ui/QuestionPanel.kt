package org.pocketbert.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.ExperimentalLayoutApi
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.selection.selectableGroup
import androidx.compose.foundation.text.KeyboardActions
import androidx.compose.foundation.text.KeyboardOptions
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.Check
import androidx.compose.material3.Button
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.FilterChip
import androidx.compose.material3.FilterChipDefaults
import androidx.compose.material3.Icon
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.semantics.Role
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.role
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.input.ImeAction
import androidx.compose.ui.text.input.KeyboardCapitalization
import androidx.compose.ui.unit.dp
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.DemoState
import org.pocketbert.ui.state.EngineChoice
import org.pocketbert.ui.state.Input
import org.pocketbert.ui.state.MAX_QUESTION_CHARACTERS
import org.pocketbert.ui.state.beginningOf

/** The question, which engine is to answer it, and the button. */
@OptIn(ExperimentalLayoutApi::class)
@Composable
fun QuestionPanel(state: DemoState, isAnswering: Boolean, actions: DemoActions) = Column {
    QuestionField(state.input, actions)
    FlowRow(
        Modifier.fillMaxWidth().padding(top = 8.dp),
        horizontalArrangement = Arrangement.spacedBy(8.dp),
    ) {
        EngineSwitch(state.engines, state.input.backend, actions::chooseEngine)
        Box(Modifier.weight(1f), Alignment.CenterEnd) {
            AskButton(isAnswering, actions)
        }
    }
}

/** What it holds is its own, so that no key waits for the state; a new revision replaces it. */
@Composable
private fun QuestionField(input: Input, actions: DemoActions) {
    val texts = LocalTexts.current
    var shown by remember(input.revision) { mutableStateOf(input.question) }
    OutlinedTextField(
        value = shown,
        onValueChange = {
            shown = beginningOf(it, MAX_QUESTION_CHARACTERS)
            actions.changeQuestion(shown)
        },
        Modifier.fillMaxWidth(),
        label = { Text(texts.question) },
        placeholder = { Text(texts.questionHint) },
        keyboardOptions = KeyboardOptions(
            capitalization = KeyboardCapitalization.Sentences,
            imeAction = ImeAction.Go,
        ),
        keyboardActions = KeyboardActions(onGo = { actions.ask() }),
        maxLines = 3,
    )
}

@OptIn(ExperimentalMaterial3Api::class, ExperimentalLayoutApi::class)
@Composable
internal fun EngineSwitch(
    engines: List<EngineChoice>,
    backend: String,
    onChoose: (String) -> Unit,
) {
    val description = LocalTexts.current.engine
    FlowRow(
        Modifier.selectableGroup().semantics { contentDescription = description },
        horizontalArrangement = Arrangement.spacedBy(8.dp),
    ) {
        for (engine in engines) {
            val isSelected = engine.backend == backend
            FilterChip(
                isSelected,
                onClick = { if (!isSelected) onChoose(engine.backend) },
                label = { Text(engine.label) },
                Modifier.semantics { role = Role.RadioButton },
                leadingIcon = if (isSelected) ({ ChosenIcon() }) else null,
            )
        }
    }
}

@OptIn(ExperimentalMaterial3Api::class)
@Composable
private fun ChosenIcon() =
    Icon(Icons.Default.Check, contentDescription = null, Modifier.size(FilterChipDefaults.IconSize))

@Composable
private fun AskButton(isAnswering: Boolean, actions: DemoActions) {
    val texts = LocalTexts.current
    if (isAnswering) {
        OutlinedButton(actions::cancel) { Text(texts.stop) }
    } else {
        Button(actions::ask) { Text(texts.ask) }
    }
}
