package org.pocketbert.core

/** The tasks that this app knows. A further one is a file, and a place here. */
internal val KNOWN_TASKS: List<TaskKind> = listOf(QuestionAnswering, TextClassification)

/** Makes a task of what a manifest says of it. */
internal interface TaskKind {
    /** As the manifest calls it. */
    val name: String

    /**
     * Reads rules and labels.
     *
     * @param rules all are to be taken.
     * @throws IllegalArgumentException a rule is missing or out of its bounds.
     */
    fun open(rules: Rules, labels: List<String>, tokenizer: TokenizerSettings): Task
}

/** A task with the rules and labels of one bundle: how texts become rows, and outputs an answer. */
internal interface Task {
    /** The names of the texts that an example has. */
    val texts: List<String>

    /** Fields of an answer that may differ a little, such as `score`. All others never do. */
    val approximate: Set<String>

    /** The least that a row holds: its special tokens, and one of a text. */
    val leastTokens: Int

    /** What it reads of a model's outputs. */
    val outputs: List<TaskOutput>

    /** Of one text, in code points; more is refused. */
    val maxTextCharacters: Int

    /**
     * Returns the rows of an example.
     *
     * @param texts by name.
     * @param seqLens the artifact's lengths, ascending.
     * @throws UnreadableTextException a text is empty, too long, or cannot be read.
     */
    fun example(
        texts: Map<String, String>,
        tokenizer: Tokenizer,
        seqLens: List<Int>,
    ): TaskExample
}

/** Texts as rows, and their answer, which comes together as outputs are added. */
internal interface TaskExample {
    val rows: List<Row>

    /**
     * Returns where the tokens of a row stand in the text that an answer lies in, start and end in
     * code points; empty where it lies in none.
     */
    fun offsets(row: Int): List<List<Int>>

    /**
     * Adds what a model made of a row; of each row once, in order.
     *
     * @param outputs all that the task reads, in the numbers that it wants.
     */
    fun add(row: Int, outputs: Outputs)

    /** Returns the answer as vectors state it, or null where an output was no finite number. */
    fun fields(): Map<String, TaskValue>?
}

/**
 * One output that a task reads.
 *
 * @property isPerToken whether there are numbers for each token of a row, and not for the row.
 * @property width how many, of each token or of the row.
 */
internal class TaskOutput(val name: String, val isPerToken: Boolean, val width: Int = 1) {
    /** Returns how many numbers tell something, padding left out. */
    fun count(numTokens: Int): Int = if (isPerToken) width * numTokens else width
}

/**
 * Finds the task that a manifest names, and reads its rules.
 *
 * @throws NewerBundleException none has that name.
 * @throws DamagedBundleException it does not take the rules, or no artifact gives what it reads.
 */
internal fun openTask(manifest: Manifest, tasks: List<TaskKind>): Task {
    val (name, stated, labels) = manifest.task
    val kind = tasks.firstOrNull { it.name == name } ?: throw NewerBundleException(
        "the bundle was made for a task that this app does not know: $name",
    )
    return parsing(MANIFEST) {
        val rules = Rules(stated)
        val task = kind.open(rules, labels, manifest.tokenizer)
        if (!manifest.isNewerMinor) rules.refuseOthers()
        for (artifact in manifest.artifacts) {
            checkRoom(task, artifact.seqLens, artifact.path)
            val given = artifact.outputs.map { it.name }
            for (output in task.outputs) {
                require(output.name in given) { "${artifact.path} gives no ${output.name}" }
            }
        }
        task
    }
}

/** Refuses lengths of which none has room for a token. */
internal fun checkRoom(task: Task, seqLens: List<Int>, what: String) =
    require(seqLens.last() >= task.leastTokens) { "$what has no room for a token" }

/**
 * Runs a row and looks at what comes back.
 *
 * @throws EngineException the engine threw anything, or gave too few numbers.
 */
internal fun Engine.outputsOf(row: Row, task: Task): Outputs {
    val outputs = try {
        run(row)
    } catch (err: RuntimeException) {
        throw EngineException("${artifact.path} failed while it ran: ${err.message}", err)
    }
    for (output in task.outputs) {
        val found = outputs[output.name]?.size ?: 0
        val wanted = output.count(row.numTokens)
        if (found < wanted) {
            throw EngineException(
                "${artifact.path} gave $found numbers of ${output.name} for a row that wants $wanted",
            )
        }
    }
    return outputs
}
