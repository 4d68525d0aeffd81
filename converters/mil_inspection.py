"""Tells what a finished ``.mlpackage`` holds."""

import math
from pathlib import Path
from typing import Any

from converters.damage import refused
from converters.mil_package import KIND, read_program, stored_tensors
from pipeline.precision import FixedPrecision
from pipeline.values import Inspection


def inspect(path: Path) -> Inspection:
    """Tells the constants and operators of a package.

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


def precision(path: Path) -> FixedPrecision:
    """Tells what a package computes in, or what its most compressed weight is stored as.

    Up to four bits a weight count as ``int4``, more as ``int8``, palettes included. A weight that
    is sparse only is as exact as the rest.

    Raises:
        InputError: The package is missing, broken or no ML program.
    """
    functions = read_program(path).functions.values()
    from coremltools.converters.mil.mil import types

    operations = [operation for function in functions for operation in function.operations]
    bits = [_num_bits(op) for op in operations if op.op_type.startswith("constexpr_")]
    if min(bits, default=16) <= 8:
        return "int4" if min(bits) <= 4 else "int8"
    dtypes = {
        types.builtin_to_string(result.dtype)
        for op in operations
        if op.op_type not in ("const", "cast")
        for result in op.outputs
    }
    return "fp16" if "fp16" in dtypes else "fp32"


def _num_bits(expression: Any) -> int:
    """Returns the bits of an entry of a compressed weight."""
    if expression.op_type in ("constexpr_lut_to_dense", "constexpr_lut_to_sparse"):
        table = expression.lut.shape
        return int(math.log2(table[0] if len(table) == 1 else table[-2]))
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
