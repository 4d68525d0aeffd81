package org.pocketbert.ui.state

/** A question may have this many code points: many times what a model reads of it. */
internal const val MAX_QUESTION_CHARACTERS = 1_000

/** A longer text is shown, but not in a field to write in, which lays out all of it at each key. */
const val MAX_EDITABLE_CHARACTERS = 20_000

/** A longer text is not in what outlives the process: Android allows about a megabyte there. */
private const val MAX_SAVED_CHARACTERS = 50_000

/**
 * What a person has put in.
 *
 * @property question also the second text, for a model that labels two together.
 * @property backend that is to answer.
 * @property numLeftOut characters at the end of the text that are not kept.
 * @property numLeftOutOfQuestion the same of the question.
 * @property revision grows where text or question are changed by other means than the field that
 *     shows them, so that the field knows that it is to show something else.
 */
data class Input(
    val text: String,
    val question: String,
    val backend: String,
    val numLeftOut: Int = 0,
    val numLeftOutOfQuestion: Int = 0,
    val revision: Int = 0,
) {
    val isEditable: Boolean get() = text.length <= MAX_EDITABLE_CHARACTERS

    /** Returns what [restored] makes this from: small enough for an instance state. */
    fun saved(): List<String> =
        listOf(if (text.length <= MAX_SAVED_CHARACTERS) text else "", question, backend)

    companion object {
        /** Returns the input that was saved, or null where that cannot be read. */
        fun restored(saved: List<String>?): Input? =
            saved?.takeIf { it.size == 3 }?.let { (text, question, backend) ->
                Input(text, question, backend)
            }
    }
}

/** Returns the beginning of a text: at most [maxCodePoints], and no half of a surrogate pair. */
internal fun beginningOf(text: String, maxCodePoints: Int): String =
    if (text.length <= maxCodePoints || text.codePointCount(0, text.length) <= maxCodePoints) {
        text
    } else {
        text.substring(0, text.offsetByCodePoints(0, maxCodePoints))
    }
