package org.pocketbert.ui.state

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.float
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.pocketbert.core.Artifact
import org.pocketbert.core.Bundle
import org.pocketbert.core.Engine
import org.pocketbert.core.EngineFactory
import org.pocketbert.core.Outputs
import org.pocketbert.core.Row
import org.pocketbert.ui.FIXTURE
import java.nio.file.Files
import java.util.concurrent.atomic.AtomicBoolean

/** A question of the fixture bundle, and the answer that Python saw. */
class Asked(val question: String, val text: String, val answer: String, val numWindows: Int)

/** What the fixture bundle's `vectors.json` states. */
object Vectors {
    private val examples: JsonArray =
        Json.parseToJsonElement(Files.readString(FIXTURE.resolve("vectors.json")))
            .jsonObject.getValue("examples").jsonArray

    val asked: List<Asked> = examples.map { it.jsonObject }.map { vector ->
        val texts = vector.getValue("texts").jsonObject
        Asked(
            question = texts.text("question"),
            text = texts.text("context"),
            answer = vector.getValue("answer").jsonObject.text("text"),
            numWindows = vector.getValue("rows").jsonArray.size,
        )
    }

    /** Those of the fewest and of the most windows; more than one each. */
    val short: Asked = asked.minBy { it.numWindows }
    val long: Asked = asked.maxBy { it.numWindows }

    private val outputs: Map<List<Int>, Outputs> = examples
        .flatMap { it.jsonObject.getValue("rows").jsonArray }
        .map { it.jsonObject }
        .associate { row ->
            val ids = row.getValue("input_ids").jsonArray.map { it.jsonPrimitive.int }
            val stated = row.getValue("outputs").jsonObject
            ids to stated.keys.associateWith { stated.floats(it) }
        }

    /** The student's outputs, or zeros for a row that it was not given. */
    fun outputsOf(row: Row): Outputs =
        outputs[row.inputIds.take(row.numTokens)] ?: zeros(row)

    fun zeros(row: Row): Outputs =
        listOf("start_logits", "end_logits").associateWith { FloatArray(row.seqLen) }

    private fun JsonObject.text(key: String) = getValue(key).jsonPrimitive.content

    private fun JsonObject.floats(key: String) =
        getValue(key).jsonArray.map { it.jsonPrimitive.float }.toFloatArray()
}

/** An engine without a model. It notices what must not happen to one. */
class FakeEngine(
    override val artifact: Artifact,
    private val onRun: (Row) -> Outputs,
) : Engine {
    private val isRunning = AtomicBoolean()

    @Volatile
    var numRuns = 0
        private set

    @Volatile
    var isClosed = false
        private set

    override fun run(row: Row): Outputs {
        check(!isClosed) { "it was closed" }
        check(isRunning.compareAndSet(false, true)) { "it runs already" }
        try {
            numRuns++
            return onRun(row)
        } finally {
            isRunning.set(false)
        }
    }

    override fun close() {
        check(!isRunning.get()) { "it is running" }
        check(!isClosed) { "it was closed" }
        isClosed = true
    }
}

/** Opens fake engines, and remembers them. */
class FakeFactory(
    override val backend: String,
    override val label: String = backend,
    var onOpen: () -> Unit = {},
    var onRun: (Row) -> Outputs = Vectors::outputsOf,
) : EngineFactory {
    val opened = mutableListOf<FakeEngine>()

    override fun open(bundle: Bundle, artifact: Artifact): Engine {
        check(opened.all { it.isClosed }) { "one is open already" }
        onOpen()
        return FakeEngine(artifact) { onRun(it) }.also { opened += it }
    }
}
