package org.pocketbert.ui

import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Surface
import androidx.compose.runtime.Composable
import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.ui.Modifier
import androidx.compose.ui.geometry.Size
import androidx.compose.ui.graphics.asSkiaBitmap
import androidx.compose.ui.platform.LocalLayoutDirection
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.SkikoComposeUiTest
import androidx.compose.ui.test.runSkikoComposeUiTest
import androidx.compose.ui.unit.Density
import androidx.compose.ui.unit.LayoutDirection
import org.jetbrains.skia.EncodedImageFormat
import org.jetbrains.skia.FontMgr
import org.jetbrains.skia.Image
import org.jetbrains.skiko.LibraryLoadException
import org.junit.jupiter.api.Assumptions.assumeTrue
import java.nio.file.Files
import java.nio.file.Path

/** A window and how a person has set it up; lengths in dp. */
data class Look(
    val name: String,
    val width: Int = 360,
    val height: Int = 720,
    val isDark: Boolean = false,
    val fontScale: Float = 1f,
    val direction: LayoutDirection = LayoutDirection.Ltr,
)

private const val PIXELS_PER_DP = 2f

/**
 * Draws in a window without a display, and runs the test in it.
 *
 * Where the native library does not load, the test is skipped.
 */
@OptIn(ExperimentalTestApi::class)
fun drawn(look: Look, content: @Composable () -> Unit, test: SkikoComposeUiTest.() -> Unit) {
    assumeThatSomethingCanBeDrawn()
    val size = Size(look.width * PIXELS_PER_DP, look.height * PIXELS_PER_DP)
    runSkikoComposeUiTest(size, Density(PIXELS_PER_DP, look.fontScale)) {
        setContent {
            CompositionLocalProvider(LocalLayoutDirection provides look.direction) {
                PocketBertTheme(look.isDark) {
                    MaterialTheme(typography = testTypography) {
                        val background = MaterialTheme.colorScheme.background
                        Surface(Modifier.fillMaxSize(), color = background) { content() }
                    }
                }
            }
        }
        waitForIdle()
        test()
    }
}

/** Writes what is in the window to `target/screens/`, and returns its pixels. */
@OptIn(ExperimentalTestApi::class)
fun SkikoComposeUiTest.picture(name: String): IntArray {
    val bitmap = captureToImage()
    val png = Image.makeFromBitmap(bitmap.asSkiaBitmap()).encodeToData(EncodedImageFormat.PNG)
    val file = Path.of("target", "screens", "$name.png")
    Files.createDirectories(file.parent)
    Files.write(file, checkNotNull(png).bytes)
    return IntArray(bitmap.width * bitmap.height).also { bitmap.readPixels(it) }
}

private fun assumeThatSomethingCanBeDrawn() {
    val missing = try {
        if (FontMgr.default.familiesCount == 0) "there are no fonts" else null
    } catch (err: LinkageError) {
        err.toString()
    } catch (err: LibraryLoadException) {
        err.toString()
    }
    assumeTrue(missing == null) {
        "Nothing can be drawn here: $missing. Debian has what is needed in libgl1, libx11-6, " +
            "libfontconfig1 and fonts-dejavu-core."
    }
}
