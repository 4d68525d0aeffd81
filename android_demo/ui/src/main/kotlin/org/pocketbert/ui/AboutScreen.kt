package org.pocketbert.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.material3.Card
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import org.pocketbert.core.Artifact
import org.pocketbert.ui.state.BundleState
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.Screen

/** Where the model comes from, how it was checked, and the notices that its licences ask for. */
@Composable
fun AboutScreen(
    bundle: BundleState.Ready,
    libraries: Map<String, String>,
    actions: DemoActions,
) {
    val texts = LocalTexts.current
    Frame(texts.about, onBack = { actions.show(Screen.ASK) }) { padding ->
        Page(padding) {
            val manifest = bundle.manifest
            val student = manifest.student
            Part(
                texts.model,
                texts.modelName to student.name,
                texts.architecture to student.architecture,
                texts.longestText to texts.characters(bundle.maxTextCharacters),
                texts.weights to student.weightsSha256,
            )
            Part(
                texts.licences,
                texts.modelLicence to student.licence,
                *manifest.licences.mapKeys { texts.licenceOf(it.key) }.toRows(),
            )
            if (libraries.isNotEmpty()) Part(texts.libraries, *libraries.toRows())
            Part(texts.artifacts, *manifest.artifacts.map { it.row(texts) }.toTypedArray())
            Part(
                texts.verdicts,
                *manifest.verdicts.map {
                    val verdict = listOf(it.verdict, it.reason).filter(String::isNotBlank)
                    texts.verdict(it.runtime, it.seqLen) to verdict.joinToString(": ")
                }.toTypedArray(),
            )
            Part(texts.versions, *manifest.versions.toRows())
        }
    }
}

private fun Map<String, String>.toRows() = map { it.toPair() }.toTypedArray()

private fun Artifact.row(texts: Texts) = texts.artifact(backend, precision) to
    "${texts.megabytes(sizeBytes)}. ${texts.lengths(seqLens)}"

/** Rows of what and its value, one above the other so that long ones and large letters fit. */
@Composable
private fun Part(title: String, vararg rows: Pair<String, String>) =
    Column(verticalArrangement = Arrangement.spacedBy(8.dp)) {
        PartTitle(title)
        Card(Modifier.fillMaxWidth()) {
            Column(Modifier.padding(16.dp), verticalArrangement = Arrangement.spacedBy(12.dp)) {
                for ((what, value) in rows) {
                    Column(Modifier.semantics(mergeDescendants = true) {}) {
                        Text(what, style = MaterialTheme.typography.labelLarge)
                        Text(value, style = MaterialTheme.typography.bodyMedium)
                    }
                }
            }
        }
    }
