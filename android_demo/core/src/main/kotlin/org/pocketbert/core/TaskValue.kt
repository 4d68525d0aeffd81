package org.pocketbert.core

import kotlinx.serialization.KSerializer
import kotlinx.serialization.Serializable
import kotlinx.serialization.SerializationException
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder
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
}

/** The value as a number, or null where it is none. */
internal val TaskValue.number: Double?
    get() = when (this) {
        is TaskValue.Whole -> value.toDouble()
        is TaskValue.Number -> value
        else -> null
    }

/** Reads what a manifest and vectors hold. */
internal object TaskValueSerializer : KSerializer<TaskValue> {
    override val descriptor: SerialDescriptor = JsonElement.serializer().descriptor

    override fun deserialize(decoder: Decoder): TaskValue {
        val element = (decoder as JsonDecoder).decodeJsonElement()
        val content = (element as? JsonPrimitive)?.content
        return when {
            content == null -> null
            element.isString -> TaskValue.Text(content)
            content == "true" || content == "false" -> TaskValue.Truth(content == "true")
            WHOLE.matches(content) -> content.toLongOrNull()
                ?.takeIf { it in -MAX_WHOLE..MAX_WHOLE }?.let(TaskValue::Whole)
            NUMBER.matches(content) -> content.toDouble().takeIf(Double::isFinite)
                ?.let(TaskValue::Number)
            else -> null
        } ?: throw SerializationException("$element is no number, text, true or false")
    }

    override fun serialize(encoder: Encoder, value: TaskValue) =
        throw SerializationException("no app writes a manifest")

    /** That every reader of JSON has exactly. */
    private const val MAX_WHOLE = 1L shl 53
    private val WHOLE = Regex("-?(0|[1-9][0-9]*)")
    private val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")
}
