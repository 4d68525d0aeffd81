package org.pocketbert.ui

import androidx.compose.foundation.isSystemInDarkTheme
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Surface
import androidx.compose.runtime.Composable
import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.runtime.collectAsState
import androidx.compose.runtime.getValue
import androidx.compose.ui.Modifier
import org.pocketbert.ui.state.BundleState
import org.pocketbert.ui.state.Demo
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.DemoState
import org.pocketbert.ui.state.Screen

/**
 * The whole app.
 *
 * @param demo outlives this.
 * @param insets keeps clear of the system's bars and the keyboard; the colour behind them is drawn.
 * @param libraries of the app by name, and their licences, for the notices.
 */
@Composable
fun PocketBertApp(
    demo: Demo,
    insets: Modifier = Modifier,
    texts: Texts = Texts(),
    samples: List<Sample> = englishSamples,
    libraries: Map<String, String> = emptyMap(),
    isDark: Boolean = isSystemInDarkTheme(),
) {
    val state by demo.state.collectAsState()
    PocketBertTheme(isDark) {
        Surface(Modifier.fillMaxSize(), color = MaterialTheme.colorScheme.background) {
            Box(insets) {
                CompositionLocalProvider(LocalTexts provides texts) {
                    Screens(state, demo, samples, libraries)
                }
            }
        }
    }
}

/** The screen that the state names. */
@Composable
fun Screens(
    state: DemoState,
    actions: DemoActions,
    samples: List<Sample>,
    libraries: Map<String, String>,
) = when (val bundle = state.bundle) {
    BundleState.Loading -> LoadingScreen()
    is BundleState.Failed -> ProblemScreen(bundle.problem, onRetry = actions::retry)
    is BundleState.Ready -> when (state.screen) {
        Screen.ASK -> if (bundle.isClassifier) {
            ClassifyScreen(state, bundle, actions, samples)
        } else {
            AskScreen(state, actions, samples)
        }
        Screen.EDIT -> EditScreen(state.input.text, actions)
        Screen.SELF_TEST -> SelfTestScreen(state.selfTest, bundle.isClassifier, actions)
        Screen.ABOUT -> AboutScreen(bundle, libraries, actions)
    }
}
