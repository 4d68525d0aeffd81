package org.pocketbert.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.size
import androidx.compose.foundation.layout.widthIn
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.Warning
import androidx.compose.material3.Button
import androidx.compose.material3.Card
import androidx.compose.material3.CardDefaults
import androidx.compose.material3.CircularProgressIndicator
import androidx.compose.material3.Icon
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.heading
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextAlign
import androidx.compose.ui.unit.dp
import org.pocketbert.ui.state.Problem

/** While the bundle is checked. */
@Composable
fun LoadingScreen() = Centered {
    CircularProgressIndicator(Modifier.size(56.dp))
    Text(LocalTexts.current.loading, style = MaterialTheme.typography.titleMedium)
}

/** There is no bundle that can be used. */
@Composable
fun ProblemScreen(problem: Problem, onRetry: () -> Unit) = Centered {
    val texts = LocalTexts.current
    val said = texts.problem(problem)
    Icon(
        Icons.Default.Warning,
        contentDescription = null,
        Modifier.size(56.dp),
        tint = MaterialTheme.colorScheme.error,
    )
    Text(
        said.title,
        Modifier.semantics { heading() },
        textAlign = TextAlign.Center,
        style = MaterialTheme.typography.headlineSmall,
    )
    Text(said.body, textAlign = TextAlign.Center)
    Text(said.advice, textAlign = TextAlign.Center)
    Button(onRetry) { Text(texts.tryAgain) }
    Details(problem)
}

@Composable
private fun Centered(content: @Composable () -> Unit) =
    Box(Modifier.fillMaxSize(), contentAlignment = Alignment.Center) {
        Column(
            Modifier
                .verticalScroll(rememberScrollState())
                .padding(24.dp)
                .widthIn(max = READABLE_WIDTH)
                .semantics { liveRegion = LiveRegionMode.Polite },
            verticalArrangement = Arrangement.spacedBy(16.dp),
            horizontalAlignment = Alignment.CenterHorizontally,
        ) { content() }
    }

/** What a report of the problem should hold. */
@Composable
private fun Details(problem: Problem) = Card(
    colors = CardDefaults.cardColors(containerColor = MaterialTheme.colorScheme.surfaceVariant),
) {
    Column(Modifier.padding(16.dp), verticalArrangement = Arrangement.spacedBy(4.dp)) {
        Text(LocalTexts.current.details, style = MaterialTheme.typography.labelLarge)
        Text(problem.details, style = MaterialTheme.typography.bodySmall)
    }
}
