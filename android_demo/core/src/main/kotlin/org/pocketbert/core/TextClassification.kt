package org.pocketbert.core

import kotlin.math.abs
import kotlin.math.exp

/** One label of a model, and the probability that it is right. */
data class LabelScore(val label: String, val score: Double)

/**
 * What a model says of a text.
 *
 * @property scores of all labels, the largest first; none where the model gives a number.
 * @property labels that the text has: one, or any number where the model gives several.
 * @property number that the model gives the text, or null where it gives labels.
 * @property numTokens of the text, or of both.
 * @property numTokensRead fewer than [numTokens] where the model has no room for all.
 */
data class Classification(
    val scores: List<LabelScore>,
    val labels: List<String>,
    val number: Double?,
    val numTokens: Int,
    val numTokensRead: Int,
)

/** How texts become rows and logits become labels; the specification tells the rest. */
internal data class ClassificationRules(
    val problemType: ProblemType,
    val isPair: Boolean,
    val isCutIntoWindows: Boolean,
    val windowOverlapTokens: Int,
    val maxFirstTokens: Int,
    val threshold: Double,
    val maxTextCharacters: Int,
    val maxUnknownShare: Double,
)

/** Whether a text has one label, several, or a number; [leastLabels] are those a bundle needs. */
internal enum class ProblemType(val word: String, val leastLabels: Int) {
    ONE_LABEL("single_label_classification", 2),
    SEVERAL_LABELS("multi_label_classification", 1),
    NUMBER("regression", 0),
}

internal fun classificationRules(rules: Rules): ClassificationRules {
    val words = ProblemType.entries.map { it.word }
    val problem = rules.choice("problem_type", *words.toTypedArray())
    return ClassificationRules(
        problemType = ProblemType.entries.first { it.word == problem },
        isPair = rules.truth("pair"),
        isCutIntoWindows = rules.choice("long_text", "truncate", "windows") == "windows",
        windowOverlapTokens = rules.whole("window_overlap_tokens", 0..MAX_SEQ_LEN),
        maxFirstTokens = rules.whole("max_first_tokens", 1..MAX_SEQ_LEN),
        threshold = rules.number("threshold", 0.0..1.0),
        maxTextCharacters = rules.whole("max_text_characters", 1..MAX_TEXT_CHARACTERS),
        maxUnknownShare = rules.number("max_unknown_share", 0.0..1.0),
    )
}

private fun checkLabels(labels: List<String>, problemType: ProblemType) {
    require(labels.size >= problemType.leastLabels) {
        "task.labels has ${labels.size} labels, too few for ${problemType.word}"
    }
    require(problemType != ProblemType.NUMBER || labels.isEmpty()) {
        "task.labels is not empty, and ${problemType.word} has none"
    }
    require(labels.none { it.isEmpty() } && labels.distinct().size == labels.size) {
        "task.labels has a label that is empty, or there twice"
    }
}

/** The task of text classification: what is asked of an engine, and the labels from its outputs. */
internal class TextClassification(
    private val rules: ClassificationRules,
    private val labels: List<String>,
    settings: TokenizerSettings,
) : Task {
    private val fitting = TextFitting(rules, RowMaker(settings))
    private val check = TextCheck(
        rules.maxTextCharacters,
        rules.maxUnknownShare,
        settings.specialTokens.getValue(SpecialTokens.UNKNOWN),
    )

    override val texts = if (rules.isPair) listOf(TEXT, TEXT_PAIR) else listOf(TEXT)
    override val approximate =
        setOf(if (rules.problemType == ProblemType.NUMBER) "score" else "scores")
    override val leastTokens = texts.size + 2
    override val outputs =
        listOf(TaskOutput(LOGITS, isPerToken = false, width = maxOf(1, labels.size)))
    override val maxTextCharacters get() = rules.maxTextCharacters

    override fun example(
        texts: Map<String, String>,
        tokenizer: Tokenizer,
        seqLens: List<Int>,
    ): TaskExample = classified(texts[TEXT]!!, texts[TEXT_PAIR], tokenizer, seqLens)

    /** @throws UnsupportedArtifactException the model takes two texts and is given one, or so. */
    fun classified(
        text: String,
        textPair: String?,
        tokenizer: Tokenizer,
        seqLens: List<Int>,
    ): ClassifiedText {
        if (rules.isPair != (textPair != null)) {
            throw UnsupportedArtifactException(
                if (rules.isPair) "the model takes two texts, and only one was given"
                else "the model takes one text, and a second was given",
            )
        }
        val first = check.read(TextPart.CONTEXT, text, tokenizer)
        val second = textPair?.let { check.read(TextPart.SECOND, it, tokenizer) }
        val fitted = fitting.fit(listOfNotNull(first, second), seqLens)
        return ClassifiedText(textPair ?: text, fitted, rules, labels)
    }

    companion object : TaskKind {
        override val name = "text-classification"

        override fun open(rules: Rules, labels: List<String>, tokenizer: TokenizerSettings): Task {
            val read = classificationRules(rules)
            checkLabels(labels, read.problemType)
            return TextClassification(read, labels, tokenizer)
        }
    }
}

private const val TEXT = "text"
private const val TEXT_PAIR = "text_pair"
private const val LOGITS = "logits"

/** Rows of one text or two, and the part of the last text that each holds. */
internal class FittedTexts(
    val rows: List<Row>,
    val lastParts: List<TokenPart>,
    val numTokens: Int,
    val numTokensRead: Int,
)

/** Fits one text, or two, into rows: the end is cut off, or the last text is cut into windows. */
internal class TextFitting(private val rules: ClassificationRules, private val maker: RowMaker) {
    /**
     * Returns rows, each at the smallest length that holds it.
     *
     * @param texts one or two.
     * @param seqLens the artifact's lengths, ascending.
     */
    fun fit(texts: List<Tokens>, seqLens: List<Int>): FittedTexts {
        val room = seqLens.last() - 1 - texts.size
        val last = texts.last()
        val sizes = if (rules.isCutIntoWindows) {
            val first = texts.dropLast(1)
                .map { minOf(it.size, rules.maxFirstTokens, room / 2) }
            first + (room - first.sum())
        } else {
            longestFirst(texts.map { it.size }, room)
        }
        val firsts = texts.dropLast(1).zip(sizes) { each, size -> TokenPart(each, 0, size) }
        val starts = if (rules.isCutIntoWindows) {
            windowStarts(last.size, sizes.last(), rules.windowOverlapTokens)
        } else {
            listOf(0)
        }
        val lastParts =
            starts.map { TokenPart(last, it, minOf(it + sizes.last(), last.size)) }
        return FittedTexts(
            rows = lastParts.map { maker.row(firsts + it, seqLens) },
            lastParts = lastParts,
            numTokens = texts.sumOf { it.size },
            numTokensRead = firsts.sumOf { it.size } + lastParts.last().until,
        )
    }
}

/**
 * Returns how many tokens of one text, or of two, are kept: the longer is cut first, as
 * `LongestFirst` of Hugging Face's `tokenizers` cuts it.
 */
internal fun longestFirst(sizes: List<Int>, room: Int): List<Int> {
    if (sizes.size == 1) return listOf(minOf(sizes.single(), room))
    if (sizes.sum() <= room) return sizes
    var short = sizes.min()
    var long = if (short > room) short else maxOf(short, room - short)
    if (short + long > room) {
        short = room / 2
        long = room - short
    }
    return if (sizes[0] <= sizes[1]) listOf(short, long) else listOf(long, short)
}

/** A text as rows, and the labels of the logits that were added. */
internal class ClassifiedText(
    private val lastText: String,
    private val fitted: FittedTexts,
    private val rules: ClassificationRules,
    private val labels: List<String>,
) : TaskExample {
    private val sums = DoubleArray(maxOf(1, labels.size))

    override val rows get() = fitted.rows

    override fun offsets(row: Int): List<List<Int>> {
        val places = CodePointPlaces(lastText)
        val part = fitted.lastParts[row]
        return (part.from until part.until).map {
            listOf(places[part.tokens.start(it)], places[part.tokens.end(it)])
        }
    }

    override fun add(row: Int, outputs: Outputs) {
        val logits = outputs.getValue(LOGITS)
        for (place in sums.indices) sums[place] += logits[place].toDouble()
    }

    /** Returns them by place, or null where one is no finite number; of two zeros none is larger. */
    private fun meanLogits(): List<Double>? =
        sums.map { it / rows.size + 0.0 }.takeIf { it.all(Double::isFinite) }

    /** Returns labels or a number, or null where a logit was no finite number. */
    fun classification(): Classification? {
        val logits = meanLogits() ?: return null
        val scores = scores(logits)
        return Classification(
            scores = labels.zip(scores, ::LabelScore).sortedByDescending { it.score },
            labels = chosen(logits, scores),
            number = logits.takeIf { rules.problemType == ProblemType.NUMBER }?.single(),
            numTokens = fitted.numTokens,
            numTokensRead = fitted.numTokensRead,
        )
    }

    override fun fields(): Map<String, TaskValue>? {
        val logits = meanLogits() ?: return null
        val scores = scores(logits)
        val chosen = chosen(logits, scores)
        return when (rules.problemType) {
            ProblemType.NUMBER -> mapOf("score" to TaskValue.Number(logits.single()))
            ProblemType.ONE_LABEL -> mapOf(
                "label" to TaskValue.Text(chosen.single()),
                "scores" to TaskValue.Numbers(scores),
            )
            ProblemType.SEVERAL_LABELS -> mapOf(
                "labels" to TaskValue.Texts(chosen),
                "scores" to TaskValue.Numbers(scores),
            )
        }
    }

    private fun scores(logits: List<Double>): List<Double> = when (rules.problemType) {
        ProblemType.ONE_LABEL -> softmax(logits)
        ProblemType.SEVERAL_LABELS -> logits.map(::sigmoid)
        ProblemType.NUMBER -> emptyList()
    }

    /** Returns the labels that the text has, by their place. */
    private fun chosen(logits: List<Double>, scores: List<Double>): List<String> =
        when (rules.problemType) {
            ProblemType.ONE_LABEL -> listOf(labels[logits.indices.maxBy(logits::get)])
            ProblemType.SEVERAL_LABELS ->
                labels.filterIndexed { place, _ -> scores[place] >= rules.threshold }
            ProblemType.NUMBER -> emptyList()
        }
}

private fun softmax(logits: List<Double>): List<Double> {
    val largest = logits.max()
    val powers = logits.map { exp(it - largest) }
    val total = powers.sum()
    return powers.map { it / total }
}

private fun sigmoid(logit: Double): Double {
    val power = exp(-abs(logit)) // never above 1
    return if (logit >= 0) 1 / (1 + power) else power / (1 + power)
}

/**
 * Returns the labels of a text, or its number.
 *
 * @param textPair the second text, for a model of pairs.
 * @param checkpoint is called before each row; what it throws ends the answer.
 * @throws UnreadableTextException a text is empty, too long, or cannot be read.
 * @throws EngineException the engine failed, or gave what is not a number.
 * @throws UnsupportedArtifactException the bundle was made for another task, or its model takes
 *   another number of texts.
 */
fun Reader.classify(
    text: String,
    textPair: String? = null,
    checkpoint: () -> Unit = {},
): Classification {
    val task = bundle.task as? TextClassification ?: throw UnsupportedArtifactException(
        "the bundle was made for ${bundle.manifest.task.name}, and classifies no texts",
    )
    val classified = task.classified(text, textPair, bundle.tokenizer, engine.artifact.seqLens)
    classified.rows.forEachIndexed { place, row ->
        checkpoint()
        classified.add(place, engine.outputsOf(row, task))
    }
    return classified.classification()
        ?: throw EngineException("the model gave a logit that is not a number")
}
