package androidx.activity.compose

import androidx.activity.ComponentActivity
import androidx.compose.runtime.Composable

@Composable
fun BackHandler(enabled: Boolean, onBack: () -> Unit): Unit = TODO("$enabled $onBack")

fun ComponentActivity.setContent(content: @Composable () -> Unit): Unit = TODO("$content")
