package org.pocketbert.engines

import org.bytedeco.javacpp.BytePointer
import org.bytedeco.javacpp.Pointer
import org.bytedeco.tensorflowlite.TfLiteSignatureRunner
import org.bytedeco.tensorflowlite.TfLiteTensor
import org.bytedeco.tensorflowlite.global.tensorflowlite as lite
import java.nio.ByteBuffer
import java.nio.file.Path

/** TensorFlow Lite itself, as this machine runs it, through its C interface. */
internal class DesktopModel(path: Path, numThreads: Int) : LiteRtModel {
    private val model = opened(lite.TfLiteModelCreateFromFile(path.toString()), "no model")
    private val interpreter = lite.TfLiteInterpreterOptionsCreate().let { options ->
        lite.TfLiteInterpreterOptionsSetNumThreads(options, numThreads)
        opened(lite.TfLiteInterpreterCreate(model, options), "no interpreter")
    }
    private val runners = (0 until lite.TfLiteInterpreterGetSignatureCount(interpreter))
        .map { lite.TfLiteInterpreterGetSignatureKey(interpreter, it).string }
        .associateWith { lite.TfLiteInterpreterGetSignatureRunner(interpreter, it) }

    override val signatures = runners.mapValues { (_, runner) ->
        succeed(lite.TfLiteSignatureRunnerAllocateTensors(runner))
        SignatureTensors(
            names(lite.TfLiteSignatureRunnerGetInputCount(runner)) {
                lite.TfLiteSignatureRunnerGetInputName(runner, it)
            },
            names(lite.TfLiteSignatureRunnerGetOutputCount(runner)) {
                lite.TfLiteSignatureRunnerGetOutputName(runner, it)
            }.associateWith {
                val bytes = lite.TfLiteSignatureRunnerGetOutputTensor(runner, it).bytes()
                (bytes / Float.SIZE_BYTES).toInt()
            },
        )
    }

    override fun prepare(
        signature: String,
        inputs: Map<String, ByteBuffer>,
        outputs: Map<String, ByteBuffer>,
    ): () -> Unit {
        val runner = runners.getValue(signature)
        return { run(runner, inputs, outputs) }
    }

    override fun close() {
        runners.values.forEach(lite::TfLiteSignatureRunnerDelete)
        lite.TfLiteInterpreterDelete(interpreter)
        lite.TfLiteModelDelete(model)
    }

    private fun run(
        runner: TfLiteSignatureRunner,
        inputs: Map<String, ByteBuffer>,
        outputs: Map<String, ByteBuffer>,
    ) {
        for ((name, bytes) in inputs) {
            val tensor = lite.TfLiteSignatureRunnerGetInputTensor(runner, name)
            succeed(lite.TfLiteTensorCopyFromBuffer(tensor, Pointer(bytes), sizeOf(tensor, bytes)))
        }
        succeed(lite.TfLiteSignatureRunnerInvoke(runner))
        for ((name, bytes) in outputs) {
            val tensor = lite.TfLiteSignatureRunnerGetOutputTensor(runner, name)
            succeed(lite.TfLiteTensorCopyToBuffer(tensor, Pointer(bytes), sizeOf(tensor, bytes)))
        }
    }

    private fun sizeOf(tensor: TfLiteTensor, bytes: ByteBuffer): Long =
        tensor.bytes().also { require(it == bytes.capacity().toLong()) { "$it bytes" } }

    private fun names(count: Long, name: (Int) -> BytePointer): Set<String> =
        (0 until count.toInt()).map { name(it).string }.toSet()

    private fun <T : Pointer> opened(pointer: T?, otherwise: String): T =
        requireNotNull(pointer) { otherwise }

    private fun succeed(status: Int) = check(status == 0) { "status $status" }
}
