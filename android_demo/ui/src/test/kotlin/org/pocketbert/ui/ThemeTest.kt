package org.pocketbert.ui

import androidx.compose.material3.ColorScheme
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.graphics.luminance
import org.junit.jupiter.api.Test
import kotlin.test.assertEquals

/** WCAG 2.1's least contrast of text, AA. */
private const val LEAST_CONTRAST = 4.5f

class ThemeTest {
    @Test
    fun `text stands out from what it is on, in the light and in the dark`() {
        for (colors in listOf(lightColors, darkColors)) {
            val contrasts = pairs(colors).mapValues { (_, pair) -> contrast(pair) }
            assertEquals(emptyMap(), contrasts.filterValues { it < LEAST_CONTRAST })
        }
    }

    private fun pairs(colors: ColorScheme): Map<String, Pair<Color, Color>> = with(colors) {
        mapOf(
            "primary" to (onPrimary to primary),
            "primaryContainer" to (onPrimaryContainer to primaryContainer),
            "secondaryContainer" to (onSecondaryContainer to secondaryContainer),
            "tertiaryContainer" to (onTertiaryContainer to tertiaryContainer),
            "errorContainer" to (onErrorContainer to errorContainer),
            "background" to (onBackground to background),
            "surface" to (onSurface to surface),
            "surfaceVariant" to (onSurfaceVariant to surfaceVariant),
            "notes on the background" to (onSurfaceVariant to background),
            "links on the background" to (primary to background),
            "verdicts on the background" to (error to background),
        )
    }

    private fun contrast(pair: Pair<Color, Color>): Float {
        val (dark, light) = pair.toList().map { it.luminance() }.sorted()
        return (light + 0.05f) / (dark + 0.05f)
    }
}
