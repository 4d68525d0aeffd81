package org.pocketbert.core

/**
 * A span of the text.
 *
 * @property text what stands there, letter by letter.
 * @property start where it begins, in UTF-16 units as Kotlin's strings count.
 * @property end where it ends, not included.
 * @property score a probability.
 */
data class Answer(val text: String, val start: Int, val end: Int, val score: Double)
