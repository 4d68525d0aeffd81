package org.pocketbert.app

import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.activity.viewModels
import androidx.compose.foundation.layout.safeDrawingPadding
import androidx.compose.ui.Modifier
import org.pocketbert.ui.PocketBertApp

/** Shows the screens. */
class MainActivity : ComponentActivity() {
    private val holder: DemoHolder by viewModels()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        setContent {
            PocketBertApp(holder.demo, Modifier.safeDrawingPadding(), libraries = notices)
        }
    }
}
