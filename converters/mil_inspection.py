"""Tells what a finished ``.mlpackage`` holds."""

import math
from pathlib import Path
from typing import Any

from converters.mil_package import read_program, stored_tensors
from pipeline.values import Inspection


def inspect(path: Path) -> Inspection:
    """Tells the constants and operators of a package.

    Which operators the Neural Engine takes is decided on the phone, so nothing is said of it.

    Raises:
        InputError: The package is missing, broken or no ML program.
    """
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


def _num_macs(operation: Any) -> int:
    """Returns the multiply-adds of an operator that multiplies matrices, else none."""
    if operation.op_type == "linear":
        depth = operation.x.shape[-1]
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
