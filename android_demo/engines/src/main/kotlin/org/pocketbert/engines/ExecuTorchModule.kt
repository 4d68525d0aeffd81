package org.pocketbert.engines

import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor
import java.nio.file.Path

/** A loaded `.pte` file, and all that [ExecuTorchEngine] wants of ExecuTorch. */
internal interface ExecuTorchModule : AutoCloseable {
    val methods: List<String>

    /** Binds a method to its inputs, in their order; each call gives its outputs in theirs. */
    fun prepare(method: String, inputs: List<InputRow>): () -> List<FloatArray>
}

/** Loads a file, which is mapped into memory, not read. */
internal fun loadModule(path: Path, numThreads: Int): ExecuTorchModule =
    AndroidModule(Module.load(path.toString(), Module.LOAD_MODE_MMAP, numThreads))

/** ExecuTorch's own, as its Android library has it. */
private class AndroidModule(private val module: Module) : ExecuTorchModule {
    override val methods: List<String> get() = module.getMethods().toList()

    override fun prepare(method: String, inputs: List<InputRow>): () -> List<FloatArray> {
        val values = inputs.map { EValue.from(tensorOf(it)) }.toTypedArray()
        return { module.execute(method, *values).map { it.toTensor().dataAsFloatArray } }
    }

    override fun close() = module.destroy()

    private fun tensorOf(input: InputRow): Tensor {
        val shape = longArrayOf(1, input.seqLen.toLong())
        return if (input.isLong) {
            Tensor.fromBlob(input.bytes.asLongBuffer(), shape)
        } else {
            Tensor.fromBlob(input.bytes.asIntBuffer(), shape)
        }
    }
}
