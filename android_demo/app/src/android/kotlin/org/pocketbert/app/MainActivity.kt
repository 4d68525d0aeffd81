package org.pocketbert.app

import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.BackHandler
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.activity.viewModels
import androidx.compose.foundation.layout.safeDrawingPadding
import androidx.compose.runtime.collectAsState
import androidx.compose.runtime.getValue
import androidx.compose.ui.Modifier
import org.pocketbert.ui.PocketBertApp
import org.pocketbert.ui.state.Screen

/** Shows the screens. */
class MainActivity : ComponentActivity() {
    private val holder: DemoHolder by viewModels()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        setContent {
            val state by holder.demo.state.collectAsState()
            BackHandler(enabled = state.screen != Screen.ASK) { holder.demo.show(Screen.ASK) }
            PocketBertApp(holder.demo, Modifier.safeDrawingPadding(), libraries = notices)
        }
    }
}
