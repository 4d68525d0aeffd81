package org.pocketbert.ui

import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.LazyListState
import androidx.compose.foundation.lazy.itemsIndexed
import androidx.compose.foundation.lazy.rememberLazyListState
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.snapshotFlow
import androidx.compose.ui.Modifier
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.semantics.stateDescription
import androidx.compose.ui.text.AnnotatedString
import androidx.compose.ui.text.SpanStyle
import androidx.compose.ui.text.buildAnnotatedString
import androidx.compose.ui.text.font.FontWeight
import androidx.compose.ui.unit.dp
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.flow.first
import org.pocketbert.core.Answer

/** The header is the first item of the list. */
private const val NUM_HEADERS = 1

/**
 * A text of any length with the answer marked in it, and scrolled to it.
 *
 * @param header stands above the text and scrolls with it.
 */
@Composable
fun MarkedText(
    text: String,
    answer: Answer?,
    modifier: Modifier = Modifier,
    header: @Composable () -> Unit,
) {
    val chunks = remember(text) { chunksOf(text) }
    val list = rememberLazyListState()
    val lineOfAnswer = remember(text, answer) { mutableStateOf<ClosedRange<Float>?>(null) }
    val marked = chunks.indexOfLast { answer != null && it.start <= answer.start }
    if (marked >= 0) {
        LaunchedEffect(text, answer) {
            list.bringIntoView(marked + NUM_HEADERS) {
                snapshotFlow { lineOfAnswer.value }.filterNotNull().first()
            }
        }
    }
    LazyColumn(modifier, list, PaddingValues(horizontal = 16.dp, vertical = 8.dp)) {
        item { header() }
        itemsIndexed(chunks) { index, chunk ->
            ChunkText(text, chunk, answer, onLineOfAnswer = {
                if (index == marked) lineOfAnswer.value = it
            })
        }
    }
}

@Composable
private fun ChunkText(
    text: String,
    chunk: Chunk,
    answer: Answer?,
    onLineOfAnswer: (ClosedRange<Float>) -> Unit,
) {
    val start = (answer?.start ?: 0).coerceIn(chunk.start, chunk.end) - chunk.start
    val end = (answer?.end ?: 0).coerceIn(chunk.start, chunk.end) - chunk.start
    val holdsAnswer = start < end
    val description = LocalTexts.current.holdsTheAnswer
    Text(
        marked(text.substring(chunk.start, chunk.end), start, end),
        Modifier.semantics { if (holdsAnswer) stateDescription = description },
        style = MaterialTheme.typography.bodyLarge,
        onTextLayout = { layout ->
            if (holdsAnswer) {
                val line = layout.getLineForOffset(start)
                onLineOfAnswer(layout.getLineTop(line)..layout.getLineBottom(line))
            }
        },
    )
}

/** A pen's colour, and bold for those who do not tell colours apart. */
@Composable
private fun marked(text: String, start: Int, end: Int): AnnotatedString {
    val pen = SpanStyle(
        color = MaterialTheme.colorScheme.onTertiaryContainer,
        background = MaterialTheme.colorScheme.tertiaryContainer,
        fontWeight = FontWeight.Bold,
    )
    return buildAnnotatedString {
        append(text)
        if (start < end) addStyle(pen, start, end)
    }
}

/** Scrolls so that a line of an item stands in the upper third, unless it is in view already. */
private suspend fun LazyListState.bringIntoView(
    index: Int,
    line: suspend () -> ClosedRange<Float>,
) {
    fun item() = layoutInfo.visibleItemsInfo.firstOrNull { it.index == index }
    snapshotFlow { layoutInfo.totalItemsCount }.first { it > index } // laid out for the first time
    if (item() == null) scrollToItem(index)
    val place = line()
    val top = item()?.offset ?: return
    val isInView = top + place.start >= layoutInfo.viewportStartOffset &&
        top + place.endInclusive <= layoutInfo.viewportEndOffset
    if (!isInView) {
        val height = layoutInfo.viewportEndOffset - layoutInfo.viewportStartOffset
        animateScrollToItem(index, (place.start - height / 3).toInt())
    }
}
