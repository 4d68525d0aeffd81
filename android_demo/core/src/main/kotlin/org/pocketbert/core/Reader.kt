package org.pocketbert.core

/** Answers questions from texts with one engine, which it closes. Not for two threads at once. */
class Reader(
    bundle: Bundle,
    private val engine: Engine,
    private val tokenizer: Tokenizer = bundle.tokenizer,
    private val decoder: SpanDecoder = BestSpanDecoder(bundle.manifest.spanRules),
) : AutoCloseable {
    private val rules = bundle.manifest.spanRules
    private val specialTokens = bundle.manifest.tokenizer.specialTokens
    private val cutter =
        WindowCutter(rules, specialTokens, bundle.manifest.tokenizer.secondTokenType)
    private val check = TextCheck(rules, specialTokens.getValue(SpecialTokens.UNKNOWN))

    /**
     * Returns the answer to a question from a text.
     *
     * @param checkpoint is called before each window; what it throws ends the answer.
     * @throws UnreadableTextException a text is empty, too long, or cannot be read.
     * @throws EngineException the engine failed, or gave what is not a number.
     */
    fun ask(question: String, context: String, checkpoint: () -> Unit = {}): Answer {
        val asked = read(TextPart.QUESTION, question)
        val tokens = read(TextPart.CONTEXT, context)
        val windows = cutter.cut(asked, tokens, engine.artifact.seqLens)
        val answer = decoder.decode(context, windows) { window ->
            checkpoint()
            engine.logitsOf(window)
        }
        return answer ?: throw EngineException("the model gave a logit that is not a number")
    }

    override fun close() = engine.close()

    private fun read(part: TextPart, text: String): Tokens {
        check.checkText(part, text)
        return tokenizer.tokenize(text).also { check.checkTokens(part, it) }
    }
}

/**
 * Runs a window and looks at what comes back.
 *
 * @throws EngineException the engine threw anything, or gave too few logits.
 */
internal fun Engine.logitsOf(window: Window): Logits {
    val logits = try {
        run(window)
    } catch (err: RuntimeException) {
        throw EngineException("${artifact.path} failed while it ran: ${err.message}", err)
    }
    if (minOf(logits.start.size, logits.end.size) < window.numTokens) {
        throw EngineException("${artifact.path} gave fewer logits than the window has tokens")
    }
    return logits
}
