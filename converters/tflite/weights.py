"""Stores the weights of a ``.tflite`` file as the very integers and scales that one is given.

It edits the flatbuffer itself, by the format's own schema: a quantizer takes floats and finds
integers and scales of its own, and ai-edge-quantizer leaves the versions of operators as they were,
so that an old runtime loads what it cannot compute.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converters.tflite import activations as tflite_activations
from converters.tflite.graph import EditedModel, Graph
from converters.weights.activations import LinearActivations
from converters.weights.quantized import QuantizedWeight, StoredWeight

BLOCK = 32
"""Columns. XNNPACK's four-bit kernels take groups that are a multiple of it.

Groups in linear layers need XNNPACK, which the runtimes use unless told otherwise: without it,
LiteRT 2.3 and TensorFlow 2.21 load the file and answer zeros, with no error.
"""

_LINEAR = schema.BuiltinOperator.FULLY_CONNECTED
_LOOKUP = schema.BuiltinOperator.EMBEDDING_LOOKUP
_DEQUANTIZE = schema.BuiltinOperator.DEQUANTIZE
_RESHAPE = schema.BuiltinOperator.RESHAPE
_FLOAT = schema.TensorType.FLOAT32
_HALF = schema.TensorType.FLOAT16
_INTEGERS = {8: schema.TensorType.INT8, 4: schema.TensorType.INT4}


def store(
    exact: Path,
    weights: Mapping[str, StoredWeight],
    path: Path,
    *,
    originals: Mapping[str, np.ndarray],
    activations: Mapping[str, LinearActivations] | None = None,
) -> None:
    """Writes a ``.tflite`` file again, with the named weights stored as given.

    Linear layers with integer weights quantize their inputs on the fly, where no scales are given.
    A table of which the converter folded the first rows into a constant, as it does with positions,
    is looked up again, so that all signatures share it.

    Args:
        exact: The model in fp32, as litert-torch wrote it.
        weights: By the names of PyTorch's state dict, as integers or ``(rows, columns) float16``;
            all others stay as they are.
        path: Of the file to write.
        originals: ``(rows, columns) float32`` of each of these names. By their values the weights
            are found: the names in the file are those of modules, several to a tensor.
        activations: How linear layers round what they take and give, by the name of the weight.

    Raises:
        ValueError: A weight is not in the file, or has no form that the runtimes compute with.
    """
    for name, weight in weights.items():
        _check(name, weight)
    model = EditedModel(exact)
    found: set[str] = set()
    for graph in model.graphs:
        for index in range(len(graph.tensors)):
            names = _names_of(graph.float_constant(index), weights, originals)
            if names:
                whole = originals[names[0]].shape == tuple(graph.tensors[index].shape)
                _store_one(graph, index, names[0], weights[names[0]], whole=whole)
            found.update(names)
    if missing := sorted(weights.keys() - found):
        raise ValueError(
            f"{exact} holds no constant with the values of {', '.join(missing)}; "
            "give the weights that it was converted from"
        )
    tflite_activations.fix(model, activations or {})
    model.save(path)


def _check(name: str, weight: StoredWeight) -> None:
    if not isinstance(weight, QuantizedWeight):
        if weight.dtype != np.float16:
            raise ValueError(f"{name} is an array of {weight.dtype}; give float16, or integers")
        return
    columns, group = weight.values.shape[1], weight.group_size
    if group == columns:
        if weight.bits == 4 and columns % 2:
            raise ValueError(f"{name} has {columns} columns; values of four bits come in pairs")
    elif weight.bits == 8:
        raise ValueError(f"{name} has 8 bits in groups of {group}; TFLite has them per row only")
    elif group % BLOCK:
        raise ValueError(f"{name} has groups of {group} columns; give a multiple of {BLOCK}")
    elif not np.array_equal(weight.scales.astype(np.float16), weight.scales):
        raise ValueError(
            f"{name} has scales that float16 cannot hold, in which TFLite keeps them; "
            "give bfloat16 numbers between 2**-17 and 65504"
        )


def _names_of(
    values: np.ndarray | None,
    weights: Mapping[str, StoredWeight],
    originals: Mapping[str, np.ndarray],
) -> list[str]:
    """Returns the weights that a constant is, or of which it is the first rows."""
    if values is None or values.ndim < 2:
        return []
    rows = values.reshape(-1, values.shape[-1])
    names = [
        name
        for name in weights
        if originals[name].shape[1] == rows.shape[1]
        and len(originals[name]) >= len(rows)
        # The first row alone tells most of them apart.
        and np.array_equal(originals[name][0], rows[0])
        and np.array_equal(originals[name][: len(rows)], rows)
    ]
    names = [name for name in names if originals[name].shape == values.shape] or names
    for other in names[1:]:
        if not _alike(weights[names[0]], weights[other]):
            raise ValueError(f"{names[0]} and {other} are equal in PyTorch; store them alike")
    return names


def _alike(one: StoredWeight, other: StoredWeight) -> bool:
    if isinstance(one, QuantizedWeight) and isinstance(other, QuantizedWeight):
        return (
            one.bits == other.bits
            and np.array_equal(one.values, other.values)
            and np.array_equal(one.scales, other.scales)
        )
    if isinstance(one, QuantizedWeight) or isinstance(other, QuantizedWeight):
        return False
    return np.array_equal(one, other)


def _store_one(graph: Graph, index: int, name: str, weight: StoredWeight, *, whole: bool) -> None:
    """Stores one constant of a graph; ``whole`` tells that no rows of it are missing."""
    uses = graph.uses(index)
    kinds = {graph.model.code(user) if position == 1 else None for user, position in uses}
    stored = _constant(graph, name, weight)
    if not whole or not kinds <= {_LINEAR, _LOOKUP}:
        _look_up_rows(graph, index, name, weight, stored)
    elif isinstance(weight, QuantizedWeight):
        graph.tensors[index] = stored
        for user, _ in uses:
            _compute_with(graph, user, weight)
    elif kinds == {_LOOKUP}:
        graph.tensors[index] = stored
        for user, _ in uses:
            _widen_output(graph, user)
    else:
        half = graph.add_tensor(stored)
        graph.tensors[index].buffer = 0
        graph.add_operator(_DEQUANTIZE, version=3, inputs=[half], output=index)


def _look_up_rows(
    graph: Graph, index: int, name: str, weight: StoredWeight, stored: schema.TensorT
) -> None:
    """Turns a constant that is the first rows of a table into a look-up of these rows."""
    *outer, columns = graph.tensors[index].shape
    rows = np.arange(math.prod(outer), dtype=np.int32)
    key = f"{name}.rows_{len(rows)}"
    numbers = graph.add_tensor(graph.constant(key, rows, dtype=schema.TensorType.INT32))
    table = graph.add_tensor(stored)
    found = graph.add_tensor(graph.computed(f"{name}.found", [len(rows), columns], dtype=_FLOAT))
    lookup = graph.add_operator(_LOOKUP, version=1, inputs=[numbers, table], output=found)
    last = lookup
    if isinstance(weight, QuantizedWeight):
        _compute_with(graph, lookup, weight)
    else:
        last = _widen_output(graph, lookup)
    options = schema.ReshapeOptionsT(newShape=[*outer, columns])
    graph.tensors[index].buffer = 0
    reshape = graph.add_operator(_RESHAPE, version=1, inputs=[found], output=index, after=last)
    reshape.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    reshape.builtinOptions = options


def _compute_with(graph: Graph, operator: Any, weight: QuantizedWeight) -> None:
    """Sets the version and the options that an operator needs for a weight of integers."""
    if graph.model.code(operator) == _LOOKUP:
        graph.model.set_code(operator, _LOOKUP, version=4)
        return
    blocks = weight.scales.shape[1] > 1
    # The format numbers no version for blocks.
    graph.model.set_code(operator, _LINEAR, version=13 if blocks else 12)
    operator.builtinOptions.asymmetricQuantizeInputs = True


def _widen_output(graph: Graph, lookup: Any) -> Any:
    """Lets a look-up yield float16, and an operator behind it the float32 that it yielded."""
    wide = int(lookup.outputs[0])
    tensor = graph.tensors[wide]
    half = graph.computed(f"{tensor.name.decode()}.half", tensor.shape, dtype=_HALF)
    lookup.outputs = [graph.add_tensor(half)]
    return graph.add_operator(
        _DEQUANTIZE, version=3, inputs=lookup.outputs, output=wide, after=lookup
    )


def _constant(graph: Graph, name: str, weight: StoredWeight) -> schema.TensorT:
    """Returns a tensor that holds a weight; all graphs share its values and scales."""
    if not isinstance(weight, QuantizedWeight):
        return graph.constant(name, weight, dtype=_HALF)
    rows, columns = weight.values.shape
    packed = _pack(weight.values) if weight.bits == 4 else weight.values
    tensor = graph.constant(name, packed, dtype=_INTEGERS[weight.bits], shape=[rows, columns])
    if weight.scales.shape[1] == 1:
        tensor.quantization = graph.model.share_scales(name, weight.scales[:, 0])
        return tensor
    scales = graph.constant(f"{name}.scales", weight.scales.astype(np.float16), dtype=_HALF)
    tensor.quantization = schema.QuantizationParametersT(
        detailsType=schema.QuantizationDetails.BlockwiseQuantization,
        details=schema.BlockwiseQuantizationT(
            scales=graph.add_tensor(scales), zeroPoints=-1, blockSize=weight.group_size
        ),
    )
    return tensor


def _pack(values: np.ndarray) -> np.ndarray:
    """Returns two values a byte, ``(size / 2) uint8``, the first in the lower half."""
    nibbles = values.reshape(-1).view(np.uint8) & 0xF
    return nibbles[0::2] | nibbles[1::2] << 4
