package org.pocketbert.ui

import androidx.compose.material3.Typography
import androidx.compose.ui.text.TextStyle
import androidx.compose.ui.text.font.FontFamily
import androidx.compose.ui.text.font.FontWeight
import androidx.compose.ui.text.platform.Font
import java.io.File

/**
 * The fonts of a phone, from the folder of `-Dpocketbert.roboto=DIR`; without it, those of the
 * machine, which no test depends on.
 */
val testTypography: Typography by lazy {
    val family = System.getProperty("pocketbert.roboto")?.let { folder ->
        FontFamily(
            Font(File(folder, "Roboto-Regular.ttf"), FontWeight.Normal),
            Font(File(folder, "Roboto-Medium.ttf"), FontWeight.Medium),
            Font(File(folder, "Roboto-Bold.ttf"), FontWeight.Bold),
        )
    }
    if (family == null) typography else typography.inFamily(family)
}

private fun Typography.inFamily(family: FontFamily): Typography {
    fun TextStyle.inFamily() = copy(fontFamily = family)
    return copy(
        headlineSmall = headlineSmall.inFamily(),
        titleLarge = titleLarge.inFamily(),
        titleMedium = titleMedium.inFamily(),
        bodyLarge = bodyLarge.inFamily(),
        bodyMedium = bodyMedium.inFamily(),
        bodySmall = bodySmall.inFamily(),
        labelLarge = labelLarge.inFamily(),
        labelMedium = labelMedium.inFamily(),
    )
}
