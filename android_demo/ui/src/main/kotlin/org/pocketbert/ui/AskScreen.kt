package org.pocketbert.ui

import androidx.compose.foundation.layout.BoxWithConstraints
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxHeight
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.heightIn
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.shape.CornerSize
import androidx.compose.foundation.verticalScroll
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.CheckCircle
import androidx.compose.material.icons.filled.Info
import androidx.compose.material3.Icon
import androidx.compose.material3.IconButton
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Surface
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.graphics.RectangleShape
import androidx.compose.ui.graphics.Shape
import androidx.compose.ui.unit.dp
import kotlinx.coroutines.delay
import org.pocketbert.ui.state.AnswerState
import org.pocketbert.ui.state.DemoActions
import org.pocketbert.ui.state.DemoState
import org.pocketbert.ui.state.Screen

/** From this width on, text and question stand side by side; in low windows, from the second. */
private val WIDE = 720.dp
private val WIDE_IF_LOW = 520.dp
private val LOW = 480.dp

private const val WORTH_SHOWING_MS = 150L

/** A text, a question, and the answer marked in the text. */
@Composable
fun AskScreen(state: DemoState, actions: DemoActions, samples: List<Sample>) {
    val texts = LocalTexts.current
    Frame(
        title = texts.appName,
        actions = { ToOtherScreens(actions) },
    ) { padding ->
        BoxWithConstraints(Modifier.fillMaxSize().padding(padding)) {
            val isWide = maxWidth >= WIDE || maxWidth >= WIDE_IF_LOW && maxHeight < LOW
            if (isWide) {
                Row {
                    TextPane(state, actions, samples, Modifier.weight(0.55f).fillMaxHeight())
                    AskPane(state, actions, Modifier.weight(0.45f).fillMaxHeight())
                }
            } else {
                Column {
                    TextPane(state, actions, samples, Modifier.weight(1f).fillMaxWidth())
                    // Room is left for the text, whatever the size of the letters.
                    val most = this@BoxWithConstraints.maxHeight * 0.65f
                    AskPane(
                        state,
                        actions,
                        Modifier.heightIn(max = most).fillMaxWidth(),
                        shape = MaterialTheme.shapes.extraLarge
                            .copy(bottomStart = CornerSize(0.dp), bottomEnd = CornerSize(0.dp)),
                    )
                }
            }
        }
    }
}

@Composable
internal fun ToOtherScreens(actions: DemoActions) {
    val texts = LocalTexts.current
    IconButton(onClick = { actions.show(Screen.SELF_TEST) }) {
        Icon(Icons.Default.CheckCircle, texts.selfTest)
    }
    IconButton(onClick = { actions.show(Screen.ABOUT) }) {
        Icon(Icons.Default.Info, texts.about)
    }
}

@Composable
private fun TextPane(
    state: DemoState,
    actions: DemoActions,
    samples: List<Sample>,
    modifier: Modifier,
) = MarkedText(
    text = state.input.text,
    answer = (state.answer as? AnswerState.Answered)?.answer,
    modifier = modifier,
    header = { TextHeader(state.input, actions, samples) },
)

/** What is asked and answered; it scrolls by itself where there is too little room. */
@Composable
private fun AskPane(
    state: DemoState,
    actions: DemoActions,
    modifier: Modifier,
    shape: Shape = RectangleShape,
) = Surface(modifier, shape, MaterialTheme.colorScheme.surface, tonalElevation = 3.dp) {
    val isAnswering = isWorthShowing(state.answer is AnswerState.Answering)
    val scroll = rememberScrollState()
    LaunchedEffect(state.answer) { scroll.animateScrollTo(0) }
    Column(Modifier.verticalScroll(scroll).padding(16.dp)) {
        AnswerPanel(state, isAnswering, actions)
        QuestionPanel(state, isAnswering, actions)
    }
}

/** Whether something takes so long that it is worth showing; most answers do not. */
@Composable
internal fun isWorthShowing(isGoingOn: Boolean): Boolean {
    var isLong by remember(isGoingOn) { mutableStateOf(false) }
    LaunchedEffect(isGoingOn) {
        delay(WORTH_SHOWING_MS)
        isLong = isGoingOn
    }
    return isLong
}
