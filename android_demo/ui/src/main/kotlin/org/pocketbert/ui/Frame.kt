package org.pocketbert.ui

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.ColumnScope
import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.layout.RowScope
import androidx.compose.foundation.layout.WindowInsets
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.widthIn
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material.icons.Icons
import androidx.compose.material.icons.filled.ArrowBack
import androidx.compose.material.icons.filled.ArrowForward
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.Icon
import androidx.compose.material3.IconButton
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Scaffold
import androidx.compose.material3.Text
import androidx.compose.material3.TopAppBar
import androidx.compose.runtime.Composable
import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalDensity
import androidx.compose.ui.platform.LocalLayoutDirection
import androidx.compose.ui.semantics.heading
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.unit.Density
import androidx.compose.ui.unit.LayoutDirection
import androidx.compose.ui.unit.dp

/** Lines longer than this are hard to read. */
val READABLE_WIDTH = 680.dp

private const val MAX_BAR_FONT_SCALE = 1.3f

/** A bar with a title over a screen. The insets are the caller's affair. */
@OptIn(ExperimentalMaterial3Api::class)
@Composable
fun Frame(
    title: String,
    onBack: (() -> Unit)? = null,
    actions: @Composable RowScope.() -> Unit = {},
    content: @Composable (PaddingValues) -> Unit,
) = Scaffold(
    topBar = {
        TopAppBar(
            title = { BarTitle(title) },
            navigationIcon = { if (onBack != null) BackButton(onBack) },
            actions = actions,
            windowInsets = WindowInsets(0, 0, 0, 0),
        )
    },
    contentWindowInsets = WindowInsets(0, 0, 0, 0),
    content = content,
)

/** Grows with the letters no further than the bar, which has one height. */
@Composable
private fun BarTitle(title: String) {
    val density = LocalDensity.current
    val fontScale = density.fontScale.coerceAtMost(MAX_BAR_FONT_SCALE)
    CompositionLocalProvider(LocalDensity provides Density(density.density, fontScale)) {
        Text(
            title,
            Modifier.semantics { heading() },
            maxLines = 1,
            overflow = TextOverflow.Ellipsis,
        )
    }
}

@Composable
private fun BackButton(onBack: () -> Unit) {
    val isLeftToRight = LocalLayoutDirection.current == LayoutDirection.Ltr
    IconButton(onBack) {
        Icon(
            if (isLeftToRight) Icons.Default.ArrowBack else Icons.Default.ArrowForward,
            LocalTexts.current.back,
        )
    }
}

/** A column that scrolls, in the middle of a wide window. */
@Composable
fun Page(padding: PaddingValues, content: @Composable ColumnScope.() -> Unit) =
    Box(Modifier.fillMaxSize().padding(padding), contentAlignment = Alignment.TopCenter) {
        Column(
            Modifier
                .verticalScroll(rememberScrollState())
                .padding(16.dp)
                .widthIn(max = READABLE_WIDTH)
                .fillMaxWidth(),
            verticalArrangement = Arrangement.spacedBy(16.dp),
            content = content,
        )
    }

/** The heading of a part of a page. */
@Composable
fun PartTitle(title: String) = Text(
    title,
    Modifier.semantics { heading() },
    color = MaterialTheme.colorScheme.primary,
    style = MaterialTheme.typography.titleMedium,
)
