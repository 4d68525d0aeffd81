package org.pocketbert.app

import org.pocketbert.engines.RuntimeVersions

/** The libraries in the app, and their licences. */
val notices: Map<String, String> = mapOf(
    "ExecuTorch ${RuntimeVersions.EXECUTORCH}" to "BSD 3-Clause",
    "LiteRT ${RuntimeVersions.LITERT}" to "Apache 2.0",
    "Jetpack Compose and AndroidX" to "Apache 2.0",
    "Kotlin, its coroutines and its serialization" to "Apache 2.0",
    "Bouncy Castle" to "MIT",
    "fbjni, nativeloader" to "Apache 2.0",
)
