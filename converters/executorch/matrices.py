"""Reads the matrices that a finished ``.pte`` file stores: of delegates, and of the other kernels.

XNNPACK's four-bit values lie two in a byte, the first in the lower half, eight more than they are;
the embedding's kernel has the first in the upper half.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from converters.executorch.file import (
    KIND,
    Method,
    Program,
    XnnpackGraph,
    XnnpackValue,
    read_program,
)
from converters.reading.damage import refused
from converters.weights.quantized import QuantizedWeight, StoredMatrix, StoredWeight

EMBEDDING_BITS = {
    "quantized_decomposed::embedding_byte": 8,
    "quantized_decomposed::embedding_4bit": 4,
}
"""Bits of the table, by the kernel that looks it up."""

_XNNPACK_BITS = {"qcint8": 8, "qcint4": 4, "qbint4": 4}
_FLOATS = {
    "FLOAT": np.float32, "HALF": np.float16, "DOUBLE": np.float64,
    "fp32": np.float32, "fp16": np.float16,
}  # fmt: skip
"""By the names of ExecuTorch and of XNNPACK."""


def read_matrices(path: Path) -> dict[str, list[StoredMatrix]]:
    """Returns the matrices of integers and of floats that each method takes from the file.

    Raises:
        InputError: The file is no ExecuTorch program, or it is damaged.
    """
    with refused(path, KIND):
        program = read_program(path)
        return {method.name: list(_matrices(method, program)) for method in program.methods}


def _matrices(method: Method, program: Program) -> Iterator[StoredMatrix]:
    for kernel in method.kernels:
        if kernel.name in EMBEDDING_BITS:
            table, scales, zeros = kernel.arguments[:3]
            weight = _table(
                _array(program, table),
                _array(program, scales),
                _array(program, zeros) if hasattr(zeros, "data_buffer_idx") else None,
                bits=EMBEDDING_BITS[kernel.name],
            )
            yield StoredMatrix(name=f"constant_{table.data_buffer_idx}", weight=weight)
    scales_of_tables = {
        kernel.arguments[1].data_buffer_idx
        for kernel in method.kernels
        if kernel.name in EMBEDDING_BITS
    }
    for buffer, tensor in method.constants.items():
        is_float = tensor.scalar_type.name in _FLOATS
        if is_float and len(tensor.sizes) > 1 and buffer not in scales_of_tables:
            yield StoredMatrix(name=f"constant_{buffer}", weight=_array(program, tensor))
    for number, graph in enumerate(method.graphs):
        for value in graph.values.values():
            stored = _delegated(graph, value)
            if stored is not None:
                yield StoredMatrix(name=f"xnnpack_{number}.{value.number}", weight=stored)


def _array(program: Program, tensor: Any) -> np.ndarray:
    """Returns a constant of the program in its own shape, as int8, uint8 or floats."""
    kinds = {**_FLOATS, "CHAR": np.int8, "BYTE": np.uint8}
    # What is read from a file may be longer: buffers are padded.
    content = np.frombuffer(
        program.buffers[tensor.data_buffer_idx],
        kinds[tensor.scalar_type.name],
        count=math.prod(tensor.sizes),
    )
    return content.reshape(tensor.sizes)


def _table(
    values: np.ndarray, scales: np.ndarray, zeros: np.ndarray | None, *, bits: int
) -> QuantizedWeight:
    if bits == 4:
        values = _unpack(values, first_is_low=False)
    if zeros is not None and zeros.any():
        groups = zeros.reshape(len(values), -1)
        values = values - np.repeat(groups, values.shape[1] // groups.shape[1], axis=1)
    return QuantizedWeight(values=values, scales=scales.reshape(len(values), -1), bits=bits)


def _delegated(graph: XnnpackGraph, value: XnnpackValue) -> StoredWeight | None:
    """Returns what a value of a delegate holds, where it is a stored matrix."""
    if not value.constant or len(value.shape) < 2:
        return None
    _, content = graph.constants[value.constant]
    if value.datatype in _FLOATS:
        return np.frombuffer(content, _FLOATS[value.datatype]).reshape(value.shape)
    bits = _XNNPACK_BITS.get(value.datatype)
    if bits is None:
        return None
    rows, columns = value.shape
    if bits == 8:
        values = np.frombuffer(content, np.int8).reshape(rows, columns)
    else:
        packed = np.frombuffer(content, np.uint8).reshape(rows, -1)
        values = _unpack(packed, first_is_low=True)[:, :columns]
    scales = _scales(graph, value).reshape(rows, -1)
    return QuantizedWeight(values=values, scales=scales, bits=bits)


def _scales(graph: XnnpackGraph, value: XnnpackValue) -> np.ndarray:
    _, content = graph.constants[value.scale_constant]
    if not content:
        return np.array(value.quantization["scale"], np.float32)
    if value.datatype == "qbint4":
        # A bfloat16 is the upper half of a float32.
        return (np.frombuffer(content, np.uint16).astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(content, np.float32)


def _unpack(packed: np.ndarray, *, first_is_low: bool) -> np.ndarray:
    """Returns ``(rows, columns) int8`` from two shifted values a byte."""
    low, high = packed & 0xF, packed >> 4
    pair = (low, high) if first_is_low else (high, low)
    values = np.stack(pair, axis=-1).reshape(len(packed), -1)
    return values.astype(np.int8) - np.int8(8)
