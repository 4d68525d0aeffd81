"""Lets linear layers of a ``.tflite`` file multiply int8 by int8, with fixed scales.

``QUANTIZE``, ``FULLY_CONNECTED`` from int8 to int8 with a bias of int32, ``DEQUANTIZE``, and
``MUL`` by the scales of the output channels. All else computes in floats.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converters.tflite.graph import EditedModel, Graph
from converters.weights.activations import LinearActivations

_INT8 = schema.TensorType.INT8
_FLOAT = schema.TensorType.FLOAT32
_BIAS_LIMIT = 2**31 - 1


def fix(model: EditedModel, activations: Mapping[str, LinearActivations]) -> None:
    """Gives linear layers fixed scales, in all signatures.

    Args:
        model: Whose linear layers hold weights of int8 with a scale a row.
        activations: By the name of the weight.

    Raises:
        ValueError: No layer has a weight of this name.
    """
    fixed = set()
    for graph in model.graphs:
        quantized: dict[tuple[int, float, int], int] = {}
        for layer in graph.operators(schema.BuiltinOperator.FULLY_CONNECTED):
            name = graph.tensors[layer.inputs[1]].name.decode()
            if name in activations:
                _fix_layer(graph, layer, name, activations[name], quantized)
                fixed.add(name)
    if missing := sorted(activations.keys() - fixed):
        raise ValueError(f"no linear layer of the file has a weight {', '.join(missing)}")


def _fix_layer(
    graph: Graph,
    layer: Any,
    name: str,
    activations: LinearActivations,
    quantized: dict[tuple[int, float, int], int],
) -> None:
    """Fixes one layer; ``quantized`` holds the inputs that are integers already."""
    weight = graph.tensors[layer.inputs[1]]
    weight.quantization = graph.model.share_scales(
        f"{name}.divided", activations.divide(np.asarray(weight.quantization.scale))
    )
    taken, given = int(layer.inputs[0]), int(layer.outputs[0])
    layer.inputs = list(layer.inputs)
    layer.inputs[0] = _quantize(graph, taken, activations, quantized)
    if len(layer.inputs) > 2 and layer.inputs[2] >= 0:
        layer.inputs[2] = _integer_bias(graph, int(layer.inputs[2]), name, activations, weight)
    layer.builtinOptions.asymmetricQuantizeInputs = False
    graph.model.set_code(layer, schema.BuiltinOperator.FULLY_CONNECTED, version=12)
    _scale_output(graph, layer, given, name, activations)


def _quantize(
    graph: Graph,
    source: int,
    activations: LinearActivations,
    quantized: dict[tuple[int, float, int], int],
) -> int:
    """Returns the int8 form of a tensor; layers that read it alike share one."""
    key = source, activations.input_scale, activations.input_zero_point
    if key not in quantized:
        tensor = graph.tensors[source]
        integers = graph.computed(f"{tensor.name.decode()}.int8", tensor.shape, dtype=_INT8)
        integers.quantization = schema.QuantizationParametersT(
            scale=[activations.input_scale], zeroPoint=[activations.input_zero_point]
        )
        quantized[key] = graph.add_tensor(integers)
        graph.add_operator(
            schema.BuiltinOperator.QUANTIZE, version=1, inputs=[source], output=quantized[key],
            after=graph.maker(source),
        )  # fmt: skip
    return quantized[key]


def _integer_bias(
    graph: Graph, bias: int, name: str, activations: LinearActivations, weight: Any
) -> int:
    """Adds a bias in the units in which the layer sums, which the format demands."""
    floats = graph.float_constant(bias)
    if floats is None:
        raise ValueError(f"the layer of {name} has a bias that is no constant of float32")
    scales = np.float32(activations.input_scale) * weight.quantization.scale  # (rows,)
    exact = np.round(activations.divide(floats).astype(np.float64) / scales)
    integers = exact.clip(-_BIAS_LIMIT, _BIAS_LIMIT).astype(np.int32)
    tensor = graph.constant(f"{name}.bias", integers, dtype=schema.TensorType.INT32)
    tensor.quantization = graph.model.share_scales(f"{name}.bias", scales)
    return graph.add_tensor(tensor)


def _scale_output(
    graph: Graph, layer: Any, given: int, name: str, activations: LinearActivations
) -> None:
    """Lets a layer yield int8 in units of its channels, and operators behind it what it yielded."""
    shape = graph.tensors[given].shape
    integers = graph.computed(f"{name}.output", shape, dtype=_INT8)
    integers.quantization = schema.QuantizationParametersT(scale=[1.0], zeroPoint=[0])
    layer.outputs = [graph.add_tensor(integers)]
    whole = graph.add_tensor(graph.computed(f"{name}.whole", shape, dtype=_FLOAT))
    scales = graph.constant(f"{name}.output_scales", activations.output_scales, dtype=_FLOAT)
    widen = graph.add_operator(
        schema.BuiltinOperator.DEQUANTIZE, version=2, inputs=layer.outputs, output=whole,
        after=layer,
    )  # fmt: skip
    multiply = graph.add_operator(
        schema.BuiltinOperator.MUL, version=1, inputs=[whole, graph.add_tensor(scales)],
        output=given, after=widen,
    )  # fmt: skip
    multiply.builtinOptionsType = schema.BuiltinOptions.MulOptions
    multiply.builtinOptions = schema.MulOptionsT()
