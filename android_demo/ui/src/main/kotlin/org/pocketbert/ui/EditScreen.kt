package org.pocketbert.ui

import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.widthIn
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.unit.dp
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.MAX_EDITABLE_CHARACTERS
import org.pocketbert.ui.state.Screen

/** A field to write the text in. What it holds is its own, so that no key waits for the state. */
@Composable
fun EditScreen(text: String, actions: DemoActions) {
    val texts = LocalTexts.current
    var shown by remember { mutableStateOf(text) }
    fun change(changed: String) {
        // More than that is never laid out here: this screen ends then.
        if (changed.length <= MAX_EDITABLE_CHARACTERS) shown = changed
        actions.changeText(changed)
    }
    Frame(
        title = texts.editText,
        onBack = { actions.show(Screen.ASK) },
        actions = { TextButton(onClick = { change("") }) { Text(texts.clear) } },
    ) { padding ->
        Box(Modifier.fillMaxSize().padding(padding), contentAlignment = Alignment.TopCenter) {
            Column(Modifier.padding(16.dp).widthIn(max = READABLE_WIDTH)) {
                OutlinedTextField(
                    value = shown,
                    onValueChange = ::change,
                    Modifier.weight(1f).fillMaxWidth(),
                    label = { Text(texts.text) },
                )
                Text(
                    texts.characters(shown.length),
                    Modifier.padding(start = 16.dp, top = 4.dp),
                    color = MaterialTheme.colorScheme.onSurfaceVariant,
                    style = MaterialTheme.typography.bodySmall,
                )
            }
        }
    }
}
