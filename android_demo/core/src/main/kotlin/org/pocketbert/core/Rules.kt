package org.pocketbert.core

/**
 * Takes the rules of a task by their names.
 *
 * All throw [IllegalArgumentException] with the name, where a rule is missing, of another kind, or
 * out of its bounds.
 */
internal class Rules(private val stated: Map<String, TaskValue>) {
    private val taken = mutableSetOf<String>()

    fun whole(name: String, bounds: IntRange): Int {
        val value = (take(name) as? TaskValue.Whole)?.value
        require(value != null && value in bounds.first.toLong()..bounds.last.toLong()) {
            "task.rules.$name is ${stated[name]}, not a whole number from ${bounds.first} to " +
                "${bounds.last}"
        }
        return value.toInt()
    }

    fun number(name: String, bounds: ClosedFloatingPointRange<Double>): Double {
        val value = take(name).number
        require(value != null && value in bounds) {
            "task.rules.$name is ${stated[name]}, not a number from ${bounds.start} to " +
                "${bounds.endInclusive}"
        }
        return value
    }

    fun truth(name: String): Boolean {
        val value = (take(name) as? TaskValue.Truth)?.value
        return requireNotNull(value) { "task.rules.$name is ${stated[name]}, not true or false" }
    }

    /** Returns one of a few words. */
    fun choice(name: String, vararg known: String): String {
        val value = (take(name) as? TaskValue.Text)?.value
        require(value != null && value in known) {
            "task.rules.$name is ${stated[name]}, which is not known"
        }
        return value
    }

    /** Refuses rules that nobody took. */
    fun refuseOthers() {
        val other = stated.keys.firstOrNull { it !in taken } ?: return
        throw IllegalArgumentException("task.rules.$other is not known")
    }

    private fun take(name: String): TaskValue {
        taken += name
        return requireNotNull(stated[name]) { "task.rules.$name is missing" }
    }
}
