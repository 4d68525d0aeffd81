package org.pocketbert.core

/** Answers questions from texts with one engine, which it closes. Not for two threads at once. */
class Reader(private val bundle: Bundle, private val engine: Engine) : AutoCloseable {
    /**
     * Returns the answer to a question from a text.
     *
     * @param checkpoint is called before each window; what it throws ends the answer.
     * @throws UnreadableTextException a text is empty, too long, or cannot be read.
     * @throws EngineException the engine failed, or gave what is not a number.
     */
    fun ask(question: String, context: String, checkpoint: () -> Unit = {}): Answer =
        TODO("$bundle $question $context $checkpoint")

    override fun close() = engine.close()
}
