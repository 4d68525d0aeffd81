"""What a finished ``.pte`` file holds, delegates included."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from converters.executorch.file import KIND, Kernel, Method, Program, XnnpackGraph, read_program
from converters.executorch.matrices import EMBEDDING_BITS
from converters.reading.damage import refused
from converters.values.artifact import Inspection, StoredTensor

_DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "CHAR": "int8", "BYTE": "uint8", "INT": "int32",
    "LONG": "int64", "BOOL": "bool", "DOUBLE": "float64", "SHORT": "int16",
}  # fmt: skip
_XNNPACK_DTYPES = {
    "fp32": "float32", "fp16": "float16", "qint8": "int8", "qcint8": "int8", "qcint4": "int4",
    "qbint4": "int4", "int32": "int32", "qint32": "int32", "qcint32": "int32",
}  # fmt: skip
_PRODUCTS = {"aten::linear": 0, "aten::mm": 0, "aten::bmm": 0, "aten::addmm": 1}
"""Kernels that multiply matrices, and where among their arguments the left one is."""

_XNNPACK_PRODUCTS = ("XNNFullyConnected", "XNNBatchMatrixMultiply")


def inspect(path: Path) -> Inspection:
    """Returns the constants and operators of a ``.pte`` file.

    An operator counts as delegated where XNNPACK runs it; the others run on portable kernels.

    Raises:
        InputError: The file is no ExecuTorch program, or it is damaged.
    """
    with refused(path, KIND):
        program = read_program(path)
        tensors = [*_program_tensors(program), *_delegate_tensors(program)]
        kernels = sum(len(method.kernels) for method in program.methods)
        delegated = sum(len(graph.nodes) for method in program.methods for graph in method.graphs)
        # The schema gives dynamic tensors the size of the longest input.
        num_macs, num_delegated_macs = max(_num_macs(method) for method in program.methods)
        return Inspection(
            tensors=tuple(sorted(tensors, key=lambda tensor: -tensor.size_bytes)),
            num_ops=kernels + delegated,
            num_delegated_ops=delegated,
            num_macs=num_macs,
            num_delegated_macs=num_delegated_macs,
            size_bytes=path.stat().st_size,
        )


def _num_macs(method: Method) -> tuple[int, int]:
    """Returns the multiply-adds of a run, and those of them that XNNPACK does."""
    delegated = sum(_graph_macs(graph) for graph in method.graphs)
    return delegated + sum(_kernel_macs(kernel) for kernel in method.kernels), delegated


def _kernel_macs(kernel: Kernel) -> int:
    left = _PRODUCTS.get(kernel.name)
    if left is None:
        return 0
    depth = kernel.arguments[left].sizes[-1]
    return int(math.prod(kernel.arguments[-1].sizes) * depth)


def _graph_macs(graph: XnnpackGraph) -> int:
    return sum(
        math.prod(graph.values[node["output_id"]].shape) * graph.values[node["input1_id"]].shape[-1]
        for kind, node in graph.nodes
        if kind in _XNNPACK_PRODUCTS
    )


def _program_tensors(program: Program) -> Iterator[StoredTensor]:
    """Yields the constants that portable kernels read; what several methods share counts once."""
    seen: set[int] = set()
    for method in program.methods:
        tables, scales = _embeddings(method.kernels)
        for buffer, tensor in method.constants.items():
            if buffer in seen:
                continue
            seen.add(buffer)
            info = tensor.extra_tensor_info
            name = info.fully_qualified_name if info else None
            dtype = _DTYPES.get(tensor.scalar_type.name, tensor.scalar_type.name.lower())
            yield StoredTensor(
                name=name or f"constant_{buffer} {_shape(tensor.sizes)}",
                dtype=tables.get(buffer, dtype),
                size_bytes=len(program.buffers[buffer]),
                is_scale=buffer in scales,
            )


def _embeddings(kernels: Sequence[Kernel]) -> tuple[dict[int, str], set[int]]:
    """Returns the buffers of integer tables with the dtypes inside, and those of their scales."""
    looked_up = [kernel for kernel in kernels if kernel.name in EMBEDDING_BITS]
    tables = {
        kernel.arguments[0].data_buffer_idx: f"int{EMBEDDING_BITS[kernel.name]}"
        for kernel in looked_up
    }
    return tables, {kernel.arguments[1].data_buffer_idx for kernel in looked_up}


def _delegate_tensors(program: Program) -> Iterator[StoredTensor]:
    """Yields the constants that XNNPACK reads; what several delegates share counts once."""
    seen: set[str] = set()
    graphs = [graph for method in program.methods for graph in method.graphs]
    for number, graph in enumerate(graphs):
        for value in graph.values.values():
            dtype = _XNNPACK_DTYPES.get(value.datatype, value.datatype)
            name = f"xnnpack_{number}.{value.number} {_shape(value.shape)}"
            for index, is_scale in ((value.constant, False), (value.scale_constant, True)):
                key, content = graph.constants[index]
                key = key or f"{number}/{index}"
                if index and key not in seen:
                    seen.add(key)
                    scale_dtype = "bfloat16" if value.datatype == "qbint4" else "float32"
                    yield StoredTensor(
                        name=f"{name} scale" if is_scale else name,
                        dtype=scale_dtype if is_scale else dtype,
                        size_bytes=len(content),
                        is_scale=is_scale,
                    )


def _shape(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes)) if math.prod(sizes) != 1 else "scalar"
