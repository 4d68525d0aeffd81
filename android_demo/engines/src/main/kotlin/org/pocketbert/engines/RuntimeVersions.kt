package org.pocketbert.engines

/** The runtimes that the app is built with, as `libs.versions.toml` pins them. */
object RuntimeVersions {
    const val EXECUTORCH = "1.4.1"
    const val LITERT = "2.3.0"

    /** LiteRT's runs all that this release of TensorFlow Lite does, and more. */
    const val TENSORFLOW_LITE = "2.21.0"

    /** By the names that an artifact's `requires` uses, with what the phone's processor has. */
    val byName: Map<String, String> =
        mapOf("executorch" to EXECUTORCH, "tensorflow-lite" to TENSORFLOW_LITE) +
            processorVersions()
}
