"""Rewrites a traced graph to a precision that XNNPACK recognises, before ExecuTorch lowers it."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

# Registers quantized_decomposed.embedding_byte and embedding_4bit. It is private, and can go when a
# public module is said to register them; executorch.exir 1.4.1 does so, by importing this one.
import executorch.exir.passes._quant_patterns_and_replacements
import executorch.kernels.quantized  # noqa: F401  registers their out variants, which are lowered
import torch
import torchao  # noqa: F401  registers torchao.quantize_affine and quantized_decomposed's others
from torch import fx

from converters.weights.activations import HIGHEST, LOWEST, LinearActivations
from converters.weights.quantized import RANGES, QuantizedWeight

ATEN = torch.ops.aten
AFFINE = torch.ops.torchao
STATIC = torch.ops.quantized_decomposed

_Taken = tuple[fx.Node, float, int]
"""What is rounded, and its scale and zero point."""

_EMBEDDING = {8: "embedding_byte", 4: "embedding_4bit"}


def quantize(
    module: fx.GraphModule,
    weights: Mapping[str, QuantizedWeight],
    activations: Mapping[str, LinearActivations],
) -> None:
    """Stores the weights of linear layers and embeddings as integers, in place.

    Args:
        module: The traced graph.
        weights: By the name of the parameter; the others stay as they are.
        activations: How linear layers round what they take and give, by the name of the weight. The
            inputs of the others are quantized per token while the model runs.
    """
    taken: dict[_Taken, fx.Node] = {}
    for node in _calls(module, ATEN.linear.default):
        name = _name_of(node.args[1])
        if name in activations:
            _quantize_linear_static(module, node, weights[name], activations[name], taken)
        elif name in weights:
            _quantize_linear(module, node, weights[name])
    for node in _calls(module, ATEN.embedding.default):
        stored = weights.get(_name_of(node.args[0]))
        if stored is not None:
            _quantize_embedding(module, node, stored)
    _clean(module)


def to_fp16(module: fx.GraphModule) -> None:
    """Casts weights and arithmetic to fp16 in place; layer norms and outputs stay fp32.

    ExecuTorch's portable layer norm sums in the dtype of its input and overflows in fp16: its
    result is infinite for an ordinary hidden state (seen in executorch 1.4.1).
    """
    norm_parameters = {
        argument.target
        for node in _calls(module, ATEN.layer_norm.default)
        for argument in node.args[2:4]
        if isinstance(argument, fx.Node)
    }
    for name, parameter in module.named_parameters():
        if name not in norm_parameters:
            parameter.data = parameter.data.half()
    for node in module.graph.nodes:
        node.args = tuple(torch.float16 if arg is torch.float32 else arg for arg in node.args)
    for node in _calls(module, ATEN._assert_tensor_metadata.default):
        module.graph.erase_node(node)
    for node in _calls(module, ATEN.layer_norm.default):
        _wrap_in_fp32(module, node)
    _cast_outputs(module)
    _clean(module)


def _name_of(argument: object) -> str:
    return str(argument.target) if isinstance(argument, fx.Node) else ""


def _quantize_linear(module: fx.GraphModule, node: fx.Node, stored: QuantizedWeight) -> None:
    activation, name = node.args[0], _name_of(node.args[1])
    assert isinstance(activation, fx.Node)
    with module.graph.inserting_before(node):
        weight = _dequantized(module, name, stored)
        quantized = _quantize_per_token(module.graph, activation, stored.values.shape[1])
    node.args = (quantized, weight, *node.args[2:])


def _quantize_linear_static(
    module: fx.GraphModule,
    node: fx.Node,
    stored: QuantizedWeight,
    activations: LinearActivations,
    taken: dict[_Taken, fx.Node],
) -> None:
    """Sets the pairs around a linear layer that XNNPACK fuses into a product of int8 by int8.

    XNNPACK rounds the bias to int32 itself. Layers that read one tensor share its integers, which
    are kept in ``taken``.
    """
    activation, name = node.args[0], _name_of(node.args[1])
    bias = node.args[2] if len(node.args) > 2 else None
    assert isinstance(activation, fx.Node)
    scale, zero_point = activations.input_scale, activations.input_zero_point
    key = activation, scale, zero_point
    graph = module.graph
    with graph.inserting_before(node):
        weight = _dequantized(
            module, name, replace(stored, scales=activations.divide(stored.scales))
        )
        if key not in taken:
            taken[key] = _quantize(graph, activation, scale, zero_point)
        inputs = _dequantize(graph, taken[key], scale, zero_point)
        if isinstance(bias, fx.Node):
            values = module.get_parameter(str(bias.target)).detach().numpy()
            divided = torch.from_numpy(activations.divide(values))
            bias = _constant(module, f"{name}_bias", divided)
        layer = graph.call_function(ATEN.linear.default, (inputs, weight, bias))
        given = _dequantize(graph, _quantize(graph, layer, 1.0, 0), 1.0, 0)
        scales = torch.from_numpy(activations.output_scales)
        result = graph.call_function(
            ATEN.mul.Tensor, (given, _constant(module, f"{name}_output_scales", scales))
        )
    node.replace_all_uses_with(result)
    graph.erase_node(node)


def _quantize(graph: fx.Graph, value: fx.Node, scale: float, zero_point: int) -> fx.Node:
    arguments = (value, scale, zero_point, LOWEST, HIGHEST, torch.int8)
    return graph.call_function(STATIC.quantize_per_tensor.default, arguments)


def _dequantize(graph: fx.Graph, value: fx.Node, scale: float, zero_point: int) -> fx.Node:
    arguments = (value, scale, zero_point, LOWEST, HIGHEST, torch.int8)
    return graph.call_function(STATIC.dequantize_per_tensor.default, arguments)


def _dequantized(module: fx.GraphModule, name: str, stored: QuantizedWeight) -> fx.Node:
    """Adds a weight of integers, and the operator that tells XNNPACK how to read it."""
    scales = torch.from_numpy(stored.scales)
    if stored.bits == 8:
        scales = scales[:, 0]
    return module.graph.call_function(
        AFFINE.dequantize_affine.default,
        (
            _constant(module, f"{name}_values", torch.from_numpy(stored.values)),
            [1, stored.group_size],
            _constant(module, f"{name}_scales", scales),
            _constant(module, f"{name}_zeros", torch.zeros_like(scales, dtype=torch.int8)),
            torch.int8,
            *RANGES[stored.bits],  # by which XNNPACK knows weights of four bits
        ),
    )


def _quantize_per_token(graph: fx.Graph, activation: fx.Node, width: int) -> fx.Node:
    """Adds the quantize and dequantize pair that XNNPACK fuses into a dynamic int8 product."""
    block = [1] * (activation.meta["val"].dim() - 1) + [width]  # a classifier's head has no tokens
    parameters = graph.call_function(
        AFFINE.choose_qparams_affine.default,
        (activation, "ASYMMETRIC", block, torch.int8, None, None, None, torch.float32, torch.int8),
    )
    scale = graph.call_function(operator.getitem, (parameters, 0))
    zero = graph.call_function(operator.getitem, (parameters, 1))
    quantized = graph.call_function(
        AFFINE.quantize_affine.default, (activation, block, scale, zero, torch.int8)
    )
    return graph.call_function(
        AFFINE.dequantize_affine.default, (quantized, block, scale, zero, torch.int8)
    )


def _quantize_embedding(module: fx.GraphModule, node: fx.Node, stored: QuantizedWeight) -> None:
    name, indices = _name_of(node.args[0]), node.args[1]
    assert isinstance(indices, fx.Node)
    values, scales = torch.from_numpy(stored.values), torch.from_numpy(stored.scales)
    if stored.bits == 4:
        # The kernel takes halves as well, which hold these scales exactly.
        values, scales = _pack(values), scales.half()
    if stored.scales.shape[1] == 1:
        scales = scales[:, 0]
    graph = module.graph
    with graph.inserting_before(node):
        # The kernel takes 64-bit indices only.
        wide = graph.call_function(ATEN.to.dtype, (indices, torch.int64))
        operator_ = getattr(torch.ops.quantized_decomposed, _EMBEDDING[stored.bits])
        replacement = graph.call_function(
            operator_.dtype,
            (
                _constant(module, f"{name}_values", values),
                _constant(module, f"{name}_scales", scales),
                None,
                *RANGES[stored.bits],
                wide,
            ),
            {"dtype": torch.float32},
        )
    node.replace_all_uses_with(replacement)
    graph.erase_node(node)


def _pack(values: torch.Tensor) -> torch.Tensor:
    """Returns two four-bit numbers a byte, ``(rows, columns / 2) uint8``, the first one high."""
    shifted = (values + 8).to(torch.uint8)  # (rows, columns), 0 to 15
    return shifted[:, ::2] * 16 + shifted[:, 1::2]


def _wrap_in_fp32(module: fx.GraphModule, node: fx.Node) -> None:
    graph = module.graph
    with graph.inserting_before(node):
        wide = graph.call_function(ATEN.to.dtype, (node.args[0], torch.float32))
    node.args = (wide, *node.args[1:])
    with graph.inserting_after(node):
        narrow = graph.call_function(ATEN.to.dtype, (node, torch.float16))
    node.replace_all_uses_with(narrow, delete_user_cb=lambda user: user is not narrow)


def _cast_outputs(module: fx.GraphModule) -> None:
    graph = module.graph
    output = graph.output_node()

    def to_fp32(node: fx.Node) -> fx.Node:
        return graph.call_function(ATEN.to.dtype, (node, torch.float32))

    with graph.inserting_before(output):
        output.args = fx.map_arg(output.args, to_fp32)


def _constant(module: fx.GraphModule, name: str, value: torch.Tensor) -> fx.Node:
    flat_name = name.replace(".", "_")
    if not hasattr(module, flat_name):
        module.register_buffer(flat_name, value)
    return module.graph.get_attr(flat_name)


def _calls(module: fx.GraphModule, target: Callable[..., object]) -> Iterator[fx.Node]:
    return iter(module.graph.find_nodes(op="call_function", target=target))


def _clean(module: fx.GraphModule) -> None:
    module.graph.eliminate_dead_code()
    used = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    for name, _ in [*module.named_parameters(), *module.named_buffers()]:
        if name not in used:
            owner, _, leaf = name.rpartition(".")
            delattr(module.get_submodule(owner), leaf)
    module.recompile()
