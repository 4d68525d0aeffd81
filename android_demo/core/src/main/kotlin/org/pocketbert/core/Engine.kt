package org.pocketbert.core

/** Runs one artifact. Not for two threads at once. */
interface Engine : AutoCloseable {
    val artifact: Artifact

    /**
     * Returns the logits of every place of a row, padding included.
     *
     * The row has one of the artifact's lengths. An engine may return the same arrays in each call.
     *
     * @throws EngineException the runtime failed.
     */
    fun run(window: Window): Logits
}

/** Start and end logits, one for each place of a row. */
class Logits(val start: FloatArray, val end: FloatArray)

/** Opens the engine of one backend. */
interface EngineFactory {
    /** `executorch` or `tflite`, as the manifest calls it. */
    val backend: String

    /** What a person reads on the switch. */
    val label: String

    /**
     * Loads an artifact of this backend.
     *
     * @throws UnsupportedArtifactException it wants a newer runtime than this one.
     * @throws EngineException the runtime does not take it.
     */
    fun open(bundle: Bundle, artifact: Artifact): Engine
}
