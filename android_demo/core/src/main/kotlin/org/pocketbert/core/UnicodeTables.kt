package org.pocketbert.core

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json

/**
 * What the tokenizer knows of characters.
 *
 * Phones differ in their Unicode version, so this is read from the bundle and never asked of the
 * system.
 *
 * @property decompositions full and canonical; Hangul is left out.
 */
internal class UnicodeTables(
    private val traits: CodePointMap,
    val decompositions: Replacements,
    val lowercase: Replacements,
) {
    /** What cleaning drops: control and format characters, private use, U+FFFD. */
    fun isRemoved(point: Int): Boolean = traits[point] and REMOVED != 0

    /** What separates words. */
    fun isWhitespace(point: Int): Boolean = traits[point] and WHITESPACE != 0

    /** What is a word by itself. */
    fun isPunctuation(point: Int): Boolean = traits[point] and PUNCTUATION != 0

    /** What stripping accents drops. */
    fun isNonspacingMark(point: Int): Boolean = traits[point] and NONSPACING_MARK != 0

    /** What gets a space on either side. */
    fun isChinese(point: Int): Boolean = traits[point] and CHINESE != 0

    /** 1 to 254 for marks, 0 for all others. */
    fun combiningClass(point: Int): Int = traits[point] ushr CLASS_SHIFT

    companion object {
        private const val REMOVED = 1
        private const val WHITESPACE = 2
        private const val PUNCTUATION = 4
        private const val NONSPACING_MARK = 8
        private const val CHINESE = 16
        private const val CLASS_SHIFT = 8
        private val CLASSES = 1..254

        /**
         * Reads the tables from JSON.
         *
         * @throws IllegalArgumentException they are damaged.
         */
        fun parse(text: String): UnicodeTables {
            val file = json.decodeFromString<TablesFile>(text)
            val traits = CodePointMap.Builder()
            mapOf(
                REMOVED to file.removed,
                WHITESPACE to file.whitespace,
                PUNCTUATION to file.punctuation,
                NONSPACING_MARK to file.nonspacingMarks,
                CHINESE to file.chinese,
            ).forEach { (bit, rows) ->
                checkRanges(rows, size = 2)
                for ((first, last) in rows) traits.setBits(first, last, bit)
            }
            checkRanges(file.combiningClasses, size = 3)
            for ((first, last, rank) in file.combiningClasses) {
                require(rank in CLASSES) { "$rank is no combining class" }
                traits.setBits(first, last, rank shl CLASS_SHIFT)
            }
            return UnicodeTables(
                traits.build(),
                replacements(file.decompositions),
                replacements(file.lowercase),
            )
        }

        private val json = Json { ignoreUnknownKeys = true }

        private fun checkRanges(rows: List<IntArray>, size: Int) {
            var before = -1
            for (row in rows) {
                require(row.size == size) { "a row of ${row.size} numbers, not $size" }
                require(before < row[0] && row[0] <= row[1] && row[1] <= LAST_CODE_POINT) {
                    "the range ${row[0]} to ${row[1]} does not ascend"
                }
                before = row[1]
            }
        }

        private fun replacements(rows: List<IntArray>): Replacements {
            var before = -1
            for (row in rows) {
                require(row.size > 1 && before < row[0]) { "rows of characters do not ascend" }
                require(row.all { it in 0..LAST_CODE_POINT }) { "${row.toList()} is no character" }
                before = row[0]
            }
            return Replacements.of(rows)
        }
    }
}

@Serializable
private class TablesFile(
    val removed: List<IntArray>,
    val whitespace: List<IntArray>,
    val punctuation: List<IntArray>,
    @SerialName("nonspacing_marks") val nonspacingMarks: List<IntArray>,
    val chinese: List<IntArray>,
    @SerialName("combining_classes") val combiningClasses: List<IntArray>,
    val decompositions: List<IntArray>,
    val lowercase: List<IntArray>,
)
