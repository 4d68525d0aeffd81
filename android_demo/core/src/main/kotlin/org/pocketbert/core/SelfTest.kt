package org.pocketbert.core

/**
 * The test of a bundle on the device that it is on, with what its `vectors.json` holds.
 *
 * @throws DamagedBundleException that file cannot be read.
 */
class SelfTest(private val bundle: Bundle) {
    /** Returns in words what the tokenizer, the windows or the decoder make otherwise. */
    fun checkReading(): List<String> = TODO("$bundle")

    /**
     * Asks an engine all questions.
     *
     * @param checkpoint is called before each window; what it throws ends the test.
     * @throws EngineException the engine failed.
     */
    fun checkEngine(engine: Engine, checkpoint: () -> Unit = {}): EngineResult =
        TODO("$engine $checkpoint")
}

/**
 * What became of one engine.
 *
 * @property maxAbsDiff the largest difference of a logit from the student's.
 * @property numSame questions with the student's answer, of [numAsked]: those that are to have it.
 * @property problems in words, what is wrong; empty is good.
 */
class EngineResult(
    val maxAbsDiff: Double,
    val numSame: Int,
    val numAsked: Int,
    val problems: List<String>,
)
