package org.pocketbert.ui

import androidx.compose.foundation.horizontalScroll
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.ExperimentalLayoutApi
import androidx.compose.foundation.layout.FlowRow
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.rememberScrollState
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.Lock
import androidx.compose.material3.DropdownMenu
import androidx.compose.material3.DropdownMenuItem
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.Icon
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.SuggestionChip
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalClipboardManager
import androidx.compose.ui.semantics.heading
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.Input
import org.pocketbert.ui.state.Screen

/** Over the text: a promise, where to get another text, and what is to be known about this one. */
@OptIn(ExperimentalLayoutApi::class)
@Composable
fun TextHeader(input: Input, actions: DemoActions, samples: List<Sample>) = Column {
    Privacy()
    FlowRow(Modifier.fillMaxWidth(), horizontalArrangement = Arrangement.SpaceBetween) {
        Column(Modifier.padding(end = 8.dp)) {
            Text(
                LocalTexts.current.text,
                Modifier.semantics { heading() },
                style = MaterialTheme.typography.titleMedium,
            )
            Text(
                LocalTexts.current.characters(input.text.length),
                color = MaterialTheme.colorScheme.onSurfaceVariant,
                style = MaterialTheme.typography.bodySmall,
            )
        }
        FlowRow { Sources(input, actions, samples) }
    }
    Notes(input)
    samples.firstOrNull { it.text == input.text }?.let { QuestionsToTry(it, actions) }
}

@Composable
internal fun Privacy() = Surface(
    Modifier.padding(bottom = 12.dp),
    shape = MaterialTheme.shapes.medium,
    color = MaterialTheme.colorScheme.secondaryContainer,
) {
    Row(
        Modifier.fillMaxWidth().padding(horizontal = 12.dp, vertical = 8.dp),
        horizontalArrangement = Arrangement.spacedBy(12.dp),
        verticalAlignment = Alignment.CenterVertically,
    ) {
        Icon(Icons.Default.Lock, contentDescription = null, Modifier.size(18.dp))
        Text(LocalTexts.current.privacy, style = MaterialTheme.typography.bodySmall)
    }
}

@Composable
private fun Sources(input: Input, actions: DemoActions, samples: List<Sample>) {
    val texts = LocalTexts.current
    SamplesButton(actions, samples)
    PasteButton(texts.paste, actions::replaceText)
    TextButton(onClick = { actions.show(Screen.EDIT) }, enabled = input.isEditable) {
        Text(texts.edit)
    }
}

/** Opens a list of texts to try. */
@Composable
internal fun SamplesButton(actions: DemoActions, samples: List<Sample>) {
    var isMenuOpen by remember { mutableStateOf(false) }
    Box {
        TextButton(onClick = { isMenuOpen = true }) { Text(LocalTexts.current.samples) }
        DropdownMenu(isMenuOpen, onDismissRequest = { isMenuOpen = false }) {
            for (sample in samples) {
                DropdownMenuItem(
                    text = { Text(sample.title) },
                    onClick = {
                        isMenuOpen = false
                        actions.takeSample(sample.text, sample.questions.first())
                    },
                )
            }
        }
    }
}

/** Hands over what the clipboard holds, if it holds a text. */
@Composable
internal fun PasteButton(name: String, onPaste: (String) -> Unit) {
    val clipboard = LocalClipboardManager.current
    TextButton(onClick = { clipboard.getText()?.let { onPaste(it.text) } }) { Text(name) }
}

@Composable
private fun Notes(input: Input) {
    val texts = LocalTexts.current
    if (input.text.isEmpty()) Note(texts.noText)
    if (input.numLeftOut > 0) Note(texts.leftOut(input.numLeftOut))
    if (!input.isEditable) Note(texts.tooLongToEdit)
}

/** Asked at a touch. */
@OptIn(ExperimentalMaterial3Api::class)
@Composable
private fun QuestionsToTry(sample: Sample, actions: DemoActions) =
    Column(Modifier.padding(bottom = 8.dp)) {
        Text(
            LocalTexts.current.questionsToTry,
            color = MaterialTheme.colorScheme.onSurfaceVariant,
            style = MaterialTheme.typography.labelMedium,
        )
        Row(
            Modifier.horizontalScroll(rememberScrollState()),
            horizontalArrangement = Arrangement.spacedBy(8.dp),
        ) {
            for (question in sample.questions) {
                SuggestionChip(
                    onClick = {
                        actions.takeSample(sample.text, question)
                        actions.ask()
                    },
                    label = { Text(question) },
                )
            }
        }
    }

@Composable
internal fun Note(note: String) = Text(
    note,
    Modifier.padding(bottom = 8.dp),
    color = MaterialTheme.colorScheme.onSurfaceVariant,
    style = MaterialTheme.typography.bodyMedium,
)
