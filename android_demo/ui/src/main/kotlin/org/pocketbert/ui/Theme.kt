package org.pocketbert.ui

import androidx.compose.material3.ColorScheme
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Typography
import androidx.compose.material3.darkColorScheme
import androidx.compose.material3.lightColorScheme
import androidx.compose.runtime.Composable
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.text.TextStyle
import androidx.compose.ui.text.style.TextDirection

/** Teal for what can be done, and the yellow of a marker pen (tertiary) for the answer. */
val lightColors: ColorScheme = lightColorScheme(
    primary = Color(0xFF006A6A),
    onPrimary = Color(0xFFFFFFFF),
    primaryContainer = Color(0xFFBFF0EF),
    onPrimaryContainer = Color(0xFF002020),
    secondary = Color(0xFF4A6363),
    onSecondary = Color(0xFFFFFFFF),
    secondaryContainer = Color(0xFFCCE8E7),
    onSecondaryContainer = Color(0xFF051F1F),
    tertiary = Color(0xFF785900),
    onTertiary = Color(0xFFFFFFFF),
    tertiaryContainer = Color(0xFFFFDF9E),
    onTertiaryContainer = Color(0xFF261A00),
    error = Color(0xFFBA1A1A),
    onError = Color(0xFFFFFFFF),
    errorContainer = Color(0xFFFFDAD6),
    onErrorContainer = Color(0xFF410002),
    background = Color(0xFFFAFDFC),
    onBackground = Color(0xFF191C1C),
    surface = Color(0xFFFAFDFC),
    onSurface = Color(0xFF191C1C),
    surfaceVariant = Color(0xFFDFE8E7),
    onSurfaceVariant = Color(0xFF3F4948),
    surfaceTint = Color(0xFF006A6A),
    outline = Color(0xFF6F7979),
    outlineVariant = Color(0xFFBEC9C8),
)

val darkColors: ColorScheme = darkColorScheme(
    primary = Color(0xFF4CDADA),
    onPrimary = Color(0xFF003737),
    primaryContainer = Color(0xFF004F4F),
    onPrimaryContainer = Color(0xFFBFF0EF),
    secondary = Color(0xFFB0CCCB),
    onSecondary = Color(0xFF1B3534),
    secondaryContainer = Color(0xFF324B4B),
    onSecondaryContainer = Color(0xFFCCE8E7),
    tertiary = Color(0xFFF7BE2F),
    onTertiary = Color(0xFF3F2E00),
    tertiaryContainer = Color(0xFF5B4300),
    onTertiaryContainer = Color(0xFFFFDF9E),
    error = Color(0xFFFFB4AB),
    onError = Color(0xFF690005),
    errorContainer = Color(0xFF93000A),
    onErrorContainer = Color(0xFFFFDAD6),
    background = Color(0xFF191C1C),
    onBackground = Color(0xFFE0E3E2),
    surface = Color(0xFF191C1C),
    onSurface = Color(0xFFE0E3E2),
    surfaceVariant = Color(0xFF3F4948),
    onSurfaceVariant = Color(0xFFBEC9C8),
    surfaceTint = Color(0xFF4CDADA),
    outline = Color(0xFF889392),
    outlineVariant = Color(0xFF3F4948),
)

/** A text runs as its own letters do: a question in English does so also on an Arabic phone. */
val typography: Typography = Typography().run {
    fun TextStyle.asItsLetters() = copy(textDirection = TextDirection.Content)
    copy(
        headlineSmall = headlineSmall.asItsLetters(),
        titleLarge = titleLarge.asItsLetters(),
        titleMedium = titleMedium.asItsLetters(),
        bodyLarge = bodyLarge.asItsLetters(),
        bodyMedium = bodyMedium.asItsLetters(),
        bodySmall = bodySmall.asItsLetters(),
        labelLarge = labelLarge.asItsLetters(),
        labelMedium = labelMedium.asItsLetters(),
    )
}

@Composable
fun PocketBertTheme(isDark: Boolean, content: @Composable () -> Unit) = MaterialTheme(
    colorScheme = if (isDark) darkColors else lightColors,
    typography = typography,
    content = content,
)
