"""Reads the matrices that a finished ``.mlpackage`` stores, through its constant expressions."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from converters.coreml_evaluator.package import KIND
from converters.coreml_evaluator.reader import read_program
from converters.reading.damage import refused
from converters.weights.quantized import QuantizedWeight, StoredMatrix

_EXPRESSION = "constexpr_"


def read_matrices(path: Path) -> dict[str, list[StoredMatrix]]:
    """Returns the matrices of integers and of floats that each function takes from the package.

    Raises:
        InputError: The package is missing, broken or no ML program.
    """
    with refused(path, KIND):
        functions = read_program(path).functions
        return {name: list(_matrices(function)) for name, function in functions.items()}


def _matrices(function: Any) -> Iterator[StoredMatrix]:
    parts = {
        part
        for operation in function.operations
        if operation.op_type.startswith(_EXPRESSION)
        for part in operation.inputs.values()
    }
    for operation in function.operations:
        if operation.op_type == "const":
            result = operation.outputs[0]
            floats = result.val
            is_matrix = isinstance(floats, np.ndarray) and floats.ndim > 1
            if is_matrix and floats.dtype.kind == "f" and result not in parts:
                yield StoredMatrix(name=result.name, weight=_as_matrix(floats))
        elif operation.op_type == "constexpr_affine_dequantize":
            yield StoredMatrix(name=operation.name, weight=_per_channel(operation))
        elif operation.op_type == "constexpr_blockwise_shift_scale":
            yield StoredMatrix(name=operation.name, weight=_in_blocks(operation))


def _per_channel(operation: Any) -> QuantizedWeight:
    """Returns the weight of an operator for iOS 17; it has eight bits."""
    values = _as_matrix(operation.quantized_data.val)
    along = [1] * values.ndim
    along[operation.axis.val] = -1
    zeros = np.asarray(operation.zero_point.val).reshape(along)
    scales = np.asarray(operation.scale.val).reshape(along)
    return QuantizedWeight(values=_shifted(values, zeros), scales=scales, bits=8)


def _in_blocks(operation: Any) -> QuantizedWeight:
    """Returns the weight of an operator for iOS 18."""
    values, scales = _as_matrix(operation.data.val), _as_matrix(operation.scale.val)
    if operation.offset is not None:
        zeros = _as_matrix(operation.offset.val)
        for axis, size in enumerate(values.shape):
            zeros = np.repeat(zeros, size // zeros.shape[axis], axis=axis)
        values = _shifted(values, zeros)
    bits = operation.data.dtype.get_bitwidth()
    # The loader has dtypes of its own for elements of less than a byte.
    return QuantizedWeight(values=values.astype(np.int16), scales=scales, bits=bits)


def _as_matrix(kernels: np.ndarray) -> np.ndarray:
    """Returns a convolution's kernels of one element as the linear layer that they are."""
    is_of_one = kernels.ndim > 2 and math.prod(kernels.shape[2:]) == 1
    return kernels.reshape(kernels.shape[:2]) if is_of_one else kernels


def _shifted(values: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    return values.astype(np.int16) - zeros.astype(np.int16)
