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
import org.pocketbert.core.Logits
import org.pocketbert.core.Window
import org.pocketbert.ui.FIXTURE
import java.nio.file.Files
import java.util.concurrent.atomic.AtomicBoolean

/** A question of the fixture bundle, and the answer that Python saw. */
class Asked(val question: String, val text: String, val answer: String, val numWindows: Int)

/** What the fixture bundle's `vectors.json` states. */
object Vectors {
    private val questions: JsonArray =
        Json.parseToJsonElement(Files.readString(FIXTURE.resolve("vectors.json")))
            .jsonObject.getValue("questions").jsonArray

    val asked: List<Asked> = questions.map { it.jsonObject }.map { vector ->
        Asked(
            question = vector.text("question"),
            text = vector.text("context"),
            answer = vector.getValue("answer").jsonObject.text("text"),
            numWindows = vector.getValue("windows").jsonArray.size,
        )
    }

    /** Those of the fewest and of the most windows; more than one each. */
    val short: Asked = asked.minBy { it.numWindows }
    val long: Asked = asked.maxBy { it.numWindows }

    private val logits: Map<List<Int>, Logits> = questions
        .flatMap { it.jsonObject.getValue("windows").jsonArray }
        .map { it.jsonObject }
        .associate { window ->
            val ids = window.getValue("input_ids").jsonArray.map { it.jsonPrimitive.int }
            ids to Logits(window.floats("start_logits"), window.floats("end_logits"))
        }

    /** The student's logits, or zeros for a row that it was not asked. */
    fun logitsOf(window: Window): Logits =
        logits[window.inputIds.take(window.numTokens)]
            ?: Logits(FloatArray(window.seqLen), FloatArray(window.seqLen))

    private fun JsonObject.text(key: String) = getValue(key).jsonPrimitive.content

    private fun JsonObject.floats(key: String) =
        getValue(key).jsonArray.map { it.jsonPrimitive.float }.toFloatArray()
}

/** An engine without a model. It notices what must not happen to one. */
class FakeEngine(
    override val artifact: Artifact,
    private val onRun: (Window) -> Logits,
) : Engine {
    private val isRunning = AtomicBoolean()

    @Volatile
    var numRuns = 0
        private set

    @Volatile
    var isClosed = false
        private set

    override fun run(window: Window): Logits {
        check(!isClosed) { "it was closed" }
        check(isRunning.compareAndSet(false, true)) { "it runs already" }
        try {
            numRuns++
            return onRun(window)
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
    var onRun: (Window) -> Logits = Vectors::logitsOf,
) : EngineFactory {
    val opened = mutableListOf<FakeEngine>()

    override fun open(bundle: Bundle, artifact: Artifact): Engine {
        check(opened.all { it.isClosed }) { "one is open already" }
        onOpen()
        return FakeEngine(artifact) { onRun(it) }.also { opened += it }
    }
}
