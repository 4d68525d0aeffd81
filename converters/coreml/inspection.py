"""What a finished ``.mlpackage`` holds."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters.coreml_evaluator.package import KIND, Package
from converters.coreml_evaluator.reader import read_functions, read_program, stored_tensors
from converters.reading.damage import refused
from converters.values.artifact import Inspection


def inspect(path: Path) -> Inspection:
    """Returns the constants and operators of a package.

    Which operators the Neural Engine takes is decided on the phone, so nothing is said of it.

    Raises:
        InputError: The package is missing, broken or no ML program.
    """
    with refused(path, KIND):
        program = read_program(path)
        functions = [function.operations for function in program.functions.values()]
        return Inspection(
            tensors=tuple(sorted(stored_tensors(program), key=lambda tensor: -tensor.size_bytes)),
            num_ops=sum(op.op_type != "const" for operations in functions for op in operations),
            num_delegated_ops=None,
            num_macs=max(sum(_num_macs(op) for op in operations) for operations in functions),
            num_delegated_macs=None,
            size_bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        )


def precision(package: Package) -> str:
    """Returns what a package computes in, or how few bits an entry of its weights has.

    That is ``fp32``, ``fp16``, or ``int`` and the bits of the most compressed weight, palettes
    included. A weight that is sparse only is as exact as the rest.

    Raises:
        InputError: The package is broken.
    """
    functions = read_functions(package)
    from coremltools.converters.mil.mil import types

    operations = [operation for function in functions for operation in _operations(function)]
    bits = [_num_bits(op) for op in operations if op.op_type.startswith("constexpr_")]
    if min(bits, default=16) <= 8:
        return f"int{min(bits)}"
    dtypes = {
        types.builtin_to_string(result.dtype)
        for op in operations
        if op.op_type not in ("const", "cast", "classify")
        for result in op.outputs
    }
    return "fp16" if "fp16" in dtypes else "fp32"


def _operations(block: Any) -> Iterator[Any]:
    """Yields the operations of a function, those of its loops included."""
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from _operations(inner)


def _num_bits(expression: Any) -> int:
    """Returns the bits of an entry of a compressed weight."""
    if expression.op_type in ("constexpr_lut_to_dense", "constexpr_lut_to_sparse"):
        table = expression.lut.shape
        vectors = table[0] if len(table) == 1 else table[-2]
        # An index may stand for several entries at once.
        return max(1, int(math.log2(vectors)) // (1 if len(table) == 1 else table[-1]))
    data = {
        "constexpr_affine_dequantize": "quantized_data",
        "constexpr_blockwise_shift_scale": "data",
        "constexpr_sparse_blockwise_shift_scale": "nonzero_data",
    }.get(expression.op_type)
    return int(expression.inputs[data].dtype.get_bitwidth()) if data else 16


def _num_macs(operation: Any) -> int:
    """Returns the multiply-adds of an operator that multiplies matrices, else none."""
    if operation.op_type == "linear":
        depth = operation.x.shape[-1]
    elif operation.op_type == "conv":
        depth = math.prod(operation.weight.shape[1:])
    elif operation.op_type == "einsum":
        # Each of its two forms, "nchw,nwhu->nchu" and "chw,whu->chu", sums over the first's last.
        depth = operation.values[0].shape[-1]
    elif operation.op_type == "matmul":
        is_transposed = operation.transpose_x is not None and operation.transpose_x.val
        depth = operation.x.shape[-2 if is_transposed else -1]
    elif operation.op_type == "scaled_dot_product_attention":
        # Each query meets each key, and takes its share of each value.
        *outer, num_queries, width = operation.query.shape
        num_keys, value_width = operation.value.shape[-2:]
        return int(math.prod(outer) * num_queries * num_keys * (width + value_width))
    else:
        return 0
    return int(math.prod(operation.outputs[0].shape) * depth)
