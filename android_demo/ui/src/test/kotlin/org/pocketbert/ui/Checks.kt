package org.pocketbert.ui

import androidx.compose.ui.geometry.Rect
import androidx.compose.ui.semantics.SemanticsActions
import androidx.compose.ui.semantics.SemanticsConfiguration
import androidx.compose.ui.semantics.SemanticsNode
import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.semantics.getOrNull
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.SkikoComposeUiTest
import androidx.compose.ui.test.onRoot
import androidx.compose.ui.text.TextLayoutResult
import androidx.compose.ui.unit.dp
import androidx.compose.ui.unit.toSize

/** Material's least size of what is touched. */
private val LEAST_TOUCH = 48.dp

/** A pixel is lost where two parts are rounded. */
private const val TOLERANCE_PIXELS = 1.5f

/** Returns in words what on the screen is cut off, too small to touch, or without a name. */
@OptIn(ExperimentalTestApi::class)
fun SkikoComposeUiTest.problemsOfScreen(): List<String> {
    val merged = onRoot().fetchSemanticsNode().placed()
    val single = onRoot(useUnmergedTree = true).fetchSemanticsNode().placed()
    val texts = single.filter { it.isText }
    return merged.filter { it.isTouched && !it.hasName }.map { "${it.id} has no name" } +
        merged.filter { it.isTouched && it.isWholeInView && !it.isLargeEnough(density.density) }
            .map { "${it.words} is too small to touch: ${it.touchBoundsInRoot}" } +
        texts.filter { it.isCutOff }.map { "“${it.words}” is cut off" } +
        single.filter { it.isBesideWindow }.map { "“${it.words}” is beside the window" } +
        overlaps(texts).map { (one, other) -> "“${one.words}” overlaps “${other.words}”" }
}

/** A list keeps some of its items for later; those are not placed. */
private fun SemanticsNode.placed(): List<SemanticsNode> =
    if (layoutInfo.isPlaced) listOf(this) + children.flatMap { it.placed() } else emptyList()

private val SemanticsNode.isTouched: Boolean
    get() = config.contains(SemanticsActions.OnClick) || config.contains(SemanticsActions.SetText)

private val SemanticsNode.isText: Boolean
    get() = config.contains(SemanticsProperties.Text) && !config.contains(SemanticsActions.SetText)

private val SemanticsNode.words: String
    get() = listOf(
        config.texts(),
        config.getOrNull(SemanticsProperties.ContentDescription).orEmpty(),
    ).flatten().joinToString(" ").take(60)

private val SemanticsNode.hasName: Boolean get() = words.isNotBlank()

private fun SemanticsConfiguration.texts(): List<String> =
    getOrNull(SemanticsProperties.Text).orEmpty().map { it.text }

private val SemanticsNode.unclipped: Rect get() = Rect(positionInRoot, size.toSize())

private val SemanticsNode.isWholeInView: Boolean get() = boundsInRoot == unclipped

private fun SemanticsNode.isLargeEnough(pixelsPerDp: Float): Boolean {
    val least = LEAST_TOUCH.value * pixelsPerDp - TOLERANCE_PIXELS
    return touchBoundsInRoot.width >= least && touchBoundsInRoot.height >= least
}

/** Of its lines, not all have room; those behind an ellipsis are none. */
private val SemanticsNode.isCutOff: Boolean
    get() {
        val layouts = mutableListOf<TextLayoutResult>()
        config.getOrNull(SemanticsActions.GetTextLayoutResult)?.action?.invoke(layouts)
        return layouts.any { it.size.height + TOLERANCE_PIXELS < it.multiParagraph.height }
    }

private val SemanticsNode.isBesideWindow: Boolean
    get() {
        val window = generateSequence(this) { it.parent }.last().unclipped
        val isInside = unclipped.left >= -TOLERANCE_PIXELS &&
            unclipped.right <= window.right + TOLERANCE_PIXELS
        return !isInside && !isInSidewaysScroll
    }

private val SemanticsNode.isInSidewaysScroll: Boolean
    get() = generateSequence(this) { it.parent }
        .any { it.config.contains(SemanticsProperties.HorizontalScrollAxisRange) }

private fun overlaps(nodes: List<SemanticsNode>): List<Pair<SemanticsNode, SemanticsNode>> =
    nodes.flatMapIndexed { index, one ->
        nodes.drop(index + 1).filter { it.boundsInRoot.meets(one.boundsInRoot) }.map { one to it }
    }

private fun Rect.meets(other: Rect): Boolean =
    intersect(other).let { it.width > TOLERANCE_PIXELS && it.height > TOLERANCE_PIXELS }
