"""Rewrites a traced graph to a precision that XNNPACK recognises, before ExecuTorch lowers it."""

import operator
from collections.abc import Callable, Iterator

import executorch.kernels.quantized  # noqa: F401  registers quantized_decomposed.embedding_byte
import torch
import torchao  # noqa: F401  registers torchao.quantize_affine and its kin
from torch import fx

ATEN = torch.ops.aten
AFFINE = torch.ops.torchao

INT8_MIN, INT8_MAX = -127, 127
"""Symmetric, so that the zero point is zero and negating a weight is exact."""


def to_int8(module: fx.GraphModule) -> None:
    """Quantizes linear weights per output channel and embeddings per row, in place.

    The input of each linear layer is quantized per token while the model runs.
    """
    for node in _calls(module, ATEN.linear.default):
        _quantize_linear(module, node)
    for node in _calls(module, ATEN.embedding.default):
        _quantize_embedding(module, node)
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


def _quantize_linear(module: fx.GraphModule, node: fx.Node) -> None:
    activation, weight_node = node.args[0], node.args[1]
    assert isinstance(activation, fx.Node) and isinstance(weight_node, fx.Node)
    name = str(weight_node.target)
    weight = module.get_parameter(name).detach()  # (out, in)
    quantized, scale = _quantize_rows(weight)
    in_features = weight.shape[1]
    graph = module.graph
    with graph.inserting_before(node):
        stored = (
            _constant(module, f"{name}_int8", quantized),
            [1, in_features],
            _constant(module, f"{name}_scale", scale),
            _constant(module, f"{name}_zero", torch.zeros_like(scale, dtype=torch.int8)),
        )
        weight_fp32 = graph.call_function(
            AFFINE.dequantize_affine.default, (*stored, torch.int8, INT8_MIN, INT8_MAX)
        )
        activation_fp32 = _quantize_per_token(graph, activation, in_features)
    node.args = (activation_fp32, weight_fp32, *node.args[2:])


def _quantize_per_token(graph: fx.Graph, activation: fx.Node, width: int) -> fx.Node:
    """Adds the quantize and dequantize pair that XNNPACK fuses into a dynamic int8 product."""
    block = [1, 1, width]
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


def _quantize_embedding(module: fx.GraphModule, node: fx.Node) -> None:
    table, indices = node.args[:2]
    assert isinstance(table, fx.Node) and isinstance(indices, fx.Node)
    name = str(table.target)
    quantized, scale = _quantize_rows(module.get_parameter(name).detach())
    graph = module.graph
    with graph.inserting_before(node):
        rows = _constant(module, f"{name}_int8", quantized)
        scales = _constant(module, f"{name}_scale", scale)
        # The kernel takes 64-bit indices only.
        wide = graph.call_function(ATEN.to.dtype, (indices, torch.int64))
        replacement = graph.call_function(
            torch.ops.quantized_decomposed.embedding_byte.dtype,
            (rows, scales, None, INT8_MIN, INT8_MAX, wide),
            {"dtype": torch.float32},
        )
    node.replace_all_uses_with(replacement)
    graph.erase_node(node)


def _quantize_rows(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns ``(rows, columns) int8`` and ``(rows,) float32`` scales; an empty row stays zero."""
    largest = weight.abs().amax(dim=1)  # (rows,)
    scale = torch.where(largest > 0, largest, torch.ones_like(largest)) / INT8_MAX
    return torch.round(weight / scale[:, None]).to(torch.int8), scale


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
