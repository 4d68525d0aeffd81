package org.pocketbert.core

/**
 * A span of the text that answers a question.
 *
 * @property text what stands there, letter by letter.
 * @property start where it begins, in UTF-16 units as Kotlin's strings count.
 * @property end where it ends, not included.
 * @property score a probability.
 */
data class Answer(val text: String, val start: Int, val end: Int, val score: Double)

/** How windows are cut and spans are chosen, in tokens. */
internal data class SpanRules(
    val maxQuestionTokens: Int,
    val maxAnswerTokens: Int,
    val windowOverlapTokens: Int,
    val maxTextCharacters: Int,
    val maxUnknownShare: Double,
)

internal fun spanRules(rules: Rules) = SpanRules(
    maxQuestionTokens = rules.whole("max_question_tokens", 0..MAX_SEQ_LEN),
    maxAnswerTokens = rules.whole("max_answer_tokens", 1..MAX_SEQ_LEN),
    windowOverlapTokens = rules.whole("window_overlap_tokens", 0..MAX_SEQ_LEN),
    maxTextCharacters = rules.whole("max_text_characters", 1..MAX_TEXT_CHARACTERS),
    maxUnknownShare = rules.number("max_unknown_share", 0.0..1.0),
).also { rules.choice("score", "softmax_over_all_windows") }

/** The task of question answering: what is asked of an engine, and the answer from its outputs. */
internal class QuestionAnswering(
    private val rules: SpanRules,
    tokenizer: TokenizerSettings,
) : Task {
    private val specialTokens = tokenizer.specialTokens
    private val cutter = WindowCutter(rules, specialTokens, tokenizer.secondTokenType)
    private val check = TextCheck(
        rules.maxTextCharacters,
        rules.maxUnknownShare,
        specialTokens.getValue(SpecialTokens.UNKNOWN),
    )

    override val texts = listOf("question", "context")
    override val approximate = setOf("score")
    override val leastTokens = NUM_SPECIAL + 1
    override val outputs = listOf(
        TaskOutput(START_LOGITS, isPerToken = true),
        TaskOutput(END_LOGITS, isPerToken = true),
    )
    override val maxTextCharacters get() = rules.maxTextCharacters

    override fun example(
        texts: Map<String, String>,
        tokenizer: Tokenizer,
        seqLens: List<Int>,
    ): TaskExample =
        question(texts.getValue("question"), texts.getValue("context"), tokenizer, seqLens)

    fun question(
        question: String,
        context: String,
        tokenizer: Tokenizer,
        seqLens: List<Int>,
    ): AskedQuestion {
        val asked = check.read(TextPart.QUESTION, question, tokenizer)
        val tokens = check.read(TextPart.CONTEXT, context, tokenizer)
        return AskedQuestion(context, cutter.cut(asked, tokens, seqLens), rules)
    }

    companion object : TaskKind {
        override val name = "question-answering"

        override fun open(rules: Rules, labels: List<String>, tokenizer: TokenizerSettings): Task {
            require(labels.isEmpty()) { "task.labels is not empty, and $name has none" }
            return QuestionAnswering(spanRules(rules), tokenizer)
        }
    }
}

internal const val START_LOGITS = "start_logits"
internal const val END_LOGITS = "end_logits"

/** A question as windows, and the best span of those whose logits were added. */
internal class AskedQuestion(
    private val context: String,
    val windows: List<Window>,
    rules: SpanRules,
) : TaskExample {
    private val search = SpanSearch(rules.maxAnswerTokens)

    override val rows get() = windows.map { it.row }

    override fun offsets(row: Int): List<List<Int>> {
        val places = CodePointPlaces(context)
        val window = windows[row]
        return List(window.numContextTokens) {
            listOf(places[window.start(it)], places[window.end(it)])
        }
    }

    override fun add(row: Int, outputs: Outputs) = search.add(windows[row], outputs)

    /** Returns the answer, or null where a logit of the context was no finite number. */
    fun answer(): Answer? = search.answer(context)

    override fun fields(): Map<String, TaskValue>? {
        val answer = answer() ?: return null
        val places = CodePointPlaces(context)
        return mapOf(
            "text" to TaskValue.Text(answer.text),
            "start" to TaskValue.Whole(places[answer.start].toLong()),
            "end" to TaskValue.Whole(places[answer.end].toLong()),
            "utf16_start" to TaskValue.Whole(answer.start.toLong()),
            "utf16_end" to TaskValue.Whole(answer.end.toLong()),
            "score" to TaskValue.Number(answer.score),
        )
    }
}

/**
 * Returns the answer to a question from a text.
 *
 * @param checkpoint is called before each window; what it throws ends the answer.
 * @throws UnreadableTextException a text is empty, too long, or cannot be read.
 * @throws EngineException the engine failed, or gave what is not a number.
 * @throws UnsupportedArtifactException the bundle was made for another task.
 */
fun Reader.ask(question: String, context: String, checkpoint: () -> Unit = {}): Answer {
    val task = bundle.task as? QuestionAnswering ?: throw UnsupportedArtifactException(
        "the bundle was made for ${bundle.manifest.task.name}, and answers no questions",
    )
    val asked = task.question(question, context, bundle.tokenizer, engine.artifact.seqLens)
    asked.windows.forEachIndexed { place, window ->
        checkpoint()
        asked.add(place, engine.outputsOf(window.row, task))
    }
    return asked.answer() ?: throw EngineException("the model gave a logit that is not a number")
}
