package org.pocketbert.engines

import org.pocketbert.core.Row
import org.pocketbert.core.TensorDescription
import org.pocketbert.core.UnsupportedArtifactException
import java.nio.ByteBuffer

/**
 * One input of a row, `(1, seqLen)`, in memory that a runtime reads where it lies.
 *
 * @throws UnsupportedArtifactException a row has nothing for this input, or not in its dtype.
 */
internal class InputRow(private val description: TensorDescription, val seqLen: Int) {
    /** What the artifact knows it by. */
    val artifactName: String get() = description.artifactName

    /** Whether its numbers have 64 bits, not 32. */
    val isLong: Boolean = when (description.dtype) {
        "int32" -> false
        "int64" -> true
        else -> throw UnsupportedArtifactException(
            "the artifact wants ${description.name} as ${description.dtype}, not as integers",
        )
    }
    private val values = valuesOf(description.name)

    val bytes: ByteBuffer = directBytes(seqLen * if (isLong) Long.SIZE_BYTES else Int.SIZE_BYTES)

    fun fill(row: Row) {
        val numbers = values(row)
        for (i in 0 until seqLen) {
            if (isLong) {
                bytes.putLong(Long.SIZE_BYTES * i, numbers[i].toLong())
            } else {
                bytes.putInt(Int.SIZE_BYTES * i, numbers[i])
            }
        }
    }
}

private fun valuesOf(role: String): (Row) -> IntArray = when (role) {
    "input_ids" -> Row::inputIds
    "attention_mask" -> Row::attentionMask
    "token_type_ids" -> Row::tokenTypeIds
    else -> throw UnsupportedArtifactException("the artifact wants an input $role")
}
