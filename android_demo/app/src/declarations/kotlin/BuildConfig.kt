package org.pocketbert.app

/** Gradle writes the real one. */
object BuildConfig {
    const val PUBLIC_KEY = ""
}
