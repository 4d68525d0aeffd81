package org.pocketbert.core

import kotlinx.serialization.KSerializer
import kotlinx.serialization.Serializable
import kotlinx.serialization.SerializationException
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonDecoder
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonPrimitive

/** The value of a rule, or of a field of an answer. */
@Serializable(with = TaskValueSerializer::class)
sealed interface TaskValue {
    data class Truth(val value: Boolean) : TaskValue {
        override fun toString() = "$value"
    }

    data class Whole(val value: Long) : TaskValue {
        override fun toString() = "$value"
    }

    data class Number(val value: Double) : TaskValue {
        override fun toString() = "$value"
    }

    data class Text(val value: String) : TaskValue {
        override fun toString() = "“$value”"
    }

    /** Of an answer alone, as [Numbers] are; a list of nothing is one of texts. */
    data class Texts(val values: List<String>) : TaskValue {
        override fun toString() = values.joinToString(", ", "[", "]") { "“$it”" }
    }

    data class Numbers(val values: List<Double>) : TaskValue {
        override fun toString() = "$values"
    }
}

/** The value as a number, or null where it is none. */
internal val TaskValue.number: Double?
    get() = when (this) {
        is TaskValue.Whole -> value.toDouble()
        is TaskValue.Number -> value
        else -> null
    }

/** The value as numbers, of which a single one is a list of one; null where it is none. */
internal val TaskValue.numbers: List<Double>?
    get() = (this as? TaskValue.Numbers)?.values ?: number?.let(::listOf)

/** Reads what a manifest and vectors hold. */
internal object TaskValueSerializer : KSerializer<TaskValue> {
    override val descriptor: SerialDescriptor = JsonElement.serializer().descriptor

    override fun deserialize(decoder: Decoder): TaskValue {
        val element = (decoder as JsonDecoder).decodeJsonElement()
        val value = when (element) {
            is JsonPrimitive -> single(element)
            is JsonArray -> list(element)
            else -> null
        }
        return value ?: throw SerializationException(
            "$element is no number, text, true or false, nor a list of numbers or of texts",
        )
    }

    private fun single(element: JsonPrimitive): TaskValue? {
        val content = element.content
        return when {
            element.isString -> TaskValue.Text(content)
            content == "true" || content == "false" -> TaskValue.Truth(content == "true")
            WHOLE.matches(content) -> content.toLongOrNull()
                ?.takeIf { it in -MAX_WHOLE..MAX_WHOLE }?.let(TaskValue::Whole)
            NUMBER.matches(content) -> content.toDouble().takeIf(Double::isFinite)
                ?.let(TaskValue::Number)
            else -> null
        }
    }

    private fun list(elements: JsonArray): TaskValue? {
        if (elements.size > MAX_LABELS) return null
        val values = elements.map { (it as? JsonPrimitive)?.let(::single) }
        val texts = values.filterIsInstance<TaskValue.Text>().map { it.value }
        val numbers = values.mapNotNull { it?.number }
        return when (values.size) {
            texts.size -> TaskValue.Texts(texts)
            numbers.size -> TaskValue.Numbers(numbers)
            else -> null
        }
    }

    override fun serialize(encoder: Encoder, value: TaskValue) =
        throw SerializationException("no app writes a manifest")

    /** That every reader of JSON has exactly. */
    private const val MAX_WHOLE = 1L shl 53
    private val WHOLE = Regex("-?(0|[1-9][0-9]*)")
    private val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")
}
