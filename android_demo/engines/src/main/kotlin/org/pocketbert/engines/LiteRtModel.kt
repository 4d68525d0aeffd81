package org.pocketbert.engines

import org.tensorflow.lite.Interpreter
import java.nio.ByteBuffer
import java.nio.file.Path

/** A loaded `.tflite` file, and all that [LiteRtEngine] wants of LiteRT. */
internal interface LiteRtModel : AutoCloseable {
    /** What each signature takes and gives, by its name. */
    val signatures: Map<String, SignatureTensors>

    /** Binds a signature to the memory that it reads and writes in each call, by name. */
    fun prepare(
        signature: String,
        inputs: Map<String, ByteBuffer>,
        outputs: Map<String, ByteBuffer>,
    ): () -> Unit
}

/** The names of a signature's tensors, and how many numbers each output has. */
internal class SignatureTensors(val inputs: Set<String>, val outputs: Map<String, Int>)

/** Loads a file, which is mapped into memory, not read. */
internal fun loadInterpreter(path: Path, numThreads: Int): LiteRtModel =
    AndroidInterpreter(
        Interpreter(path.toFile(), Interpreter.Options().setNumThreads(numThreads)),
    )

/** LiteRT's own, as its Android library has it. */
private class AndroidInterpreter(private val interpreter: Interpreter) : LiteRtModel {
    override val signatures: Map<String, SignatureTensors>
        get() = interpreter.signatureKeys.associateWith {
            SignatureTensors(
                interpreter.getSignatureInputs(it).toSet(),
                interpreter.getSignatureOutputs(it).associateWith { output ->
                    interpreter.getOutputTensorFromSignature(output, it).numElements()
                },
            )
        }

    override fun prepare(
        signature: String,
        inputs: Map<String, ByteBuffer>,
        outputs: Map<String, ByteBuffer>,
    ): () -> Unit = { interpreter.runSignature(inputs, outputs, signature) }

    override fun close() = interpreter.close()
}
