"""The layout that Apple's Neural Engine is built for, as rewrites of the traced program.

The engine wants activations of four dimensions with the channels first, ``(1, width, 1, seq_len)``,
linear layers as convolutions with kernels of one element, and the heads of an attention one by one,
so that nothing is reshaped on the way. Each rewrite takes the traced module and leaves one that
computes the same. Those that change the layout of an operator turn what it takes and gives; the
last one drops what is turned back and forth.

What it costs, in programs at 384 tokens with int8 weights, in the layout of tokens and in this one
(``benchmarks/coreml_cost.py``):

========================== ========== ================== ==================
model                      operators  only move numbers  MB taken and given
========================== ========== ================== ==================
the embedded student       130, 286   50, 30             170.6, 157.7
DistilBERT-base            184, 476   72, 40             402.6, 403.8
========================== ========== ================== ==================

It has fewer reshapes and transpositions, 13 for 49 and 15 for 71, but more operators, as an
attention is four of them a head, and in a wide model no fewer bytes. That is no clear gain, so it
is for ``--compute-units cpu-and-ne`` alone, whose engine it is made for. How much faster a phone
is, and how many operators it gives to the engine, was not measured: there was no iPhone.

Source: Apple, "Deploying Transformers on the Apple Neural Engine", 2022,
https://machinelearning.apple.com/research/neural-engine-transformers, and its code in
https://github.com/apple/ml-ane-transformers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody knows
from torch import Tensor
from torch.fx import GraphModule, Node

Rewrite = Callable[[GraphModule], None]

_ATEN = torch.ops.aten
_VIEWS = (_ATEN.view.default, _ATEN.reshape.default, _ATEN.transpose.int)

_SMALLEST_GAIN = 2.0**-24
"""The least positive float16, by which a norm multiplies in place of less."""


def channels_first(
    program: torch.export.ExportedProgram,
    inputs: Mapping[str, Tensor],
    *,
    rewrites: Sequence[Rewrite] | None = None,
) -> torch.export.ExportedProgram:
    """Returns the program in the Neural Engine's layout. Its weights keep their names.

    Args:
        program: Straight from ``torch.export``, at one length.
        inputs: An example of each input, by name.
        rewrites: Some of ``REWRITES``, in that order; None means all.
    """
    module = program.module(check_guards=False)
    assert isinstance(module, GraphModule)
    for rewrite in REWRITES if rewrites is None else rewrites:
        rewrite(module)
        module.graph.eliminate_dead_code()
        module.recompile()
    return torch.export.export(module, (), dict(inputs), strict=False)


def convolve(module: GraphModule) -> None:
    """Makes each linear layer over tokens a convolution with kernels of one element.

    The kernels are the weight itself, ``(rows, columns, 1, 1)``. Without this rewrite the others
    leave 77 reshapes and transpositions and 196.6 MB in the embedded student at int8, with it 13
    and 157.7 MB.
    """
    for node in _calls(module, _ATEN.linear.default):
        x, weight = node.args[:2]
        is_shared = any(user.target != node.target for user in weight.users)
        if x.meta["val"].dim() == 3 and not is_shared:
            kernels = _parameter(module, weight)
            if kernels.dim() == 2:
                _set_parameter(module, weight, kernels[:, :, None, None])
            _compute_in_channels(node, F.conv2d, (x,), node.args[1:])


def normalize_channels(module: GraphModule) -> None:
    """Makes each layer norm of tokens a norm over the channels.

    Written as Apple's code does, with the bias before the gain, it is what coremltools knows and
    turns into one operator. Without this rewrite the others leave 44 reshapes and transpositions
    and 175.9 MB, with it 13 and 157.7 MB.
    """
    for node in _calls(module, _ATEN.layer_norm.default):
        x, shape, gain, bias, epsilon = node.args[:5]
        if x.meta["val"].dim() == 3 and len(shape) == 1:
            weight = _parameter(module, gain)
            if weight.dim() == 1:
                gains = torch.where(weight.abs() < _SMALLEST_GAIN, _SMALLEST_GAIN, weight)
                biases = _parameter(module, bias) / gains
                _set_parameter(module, gain, gains[None, :, None, None])
                _set_parameter(module, bias, biases[None, :, None, None])
            _compute_in_channels(node, _norm, (x,), (gain, bias, epsilon))


def attend_by_head(module: GraphModule) -> None:
    """Makes each attention one of products for each head, which nothing has to be reshaped for.

    Without this rewrite the others leave 85 reshapes and transpositions and 190.6 MB, with it 13
    and 157.7 MB; the operators are 286 instead of 166.
    """
    masks: dict[Node, Node] = {}
    for softmax in _calls(module, _ATEN.softmax.int):
        found = _attention(softmax)
        if found is not None:
            if found.mask not in masks:
                with module.graph.inserting_after(found.mask):
                    masks[found.mask] = module.graph.call_function(_to_keys, (found.mask,))
            settings = (masks[found.mask], found.scaling, found.num_heads)
            _compute_in_channels(found.result, _attend, found.operands, settings)


def keep_channels(module: GraphModule) -> None:
    """Lets what is computed element by element take and give channels first.

    What was turned to tokens and back is then left as it is. Without this rewrite 70 reshapes and
    transpositions and 205.4 MB are left, with it 13 and 157.7 MB.
    """
    turned: dict[Node, Node] = {}
    for node in list(module.graph.nodes):
        if node.target is _to_channels:
            rows = node.args[0]
            same = rows.args[0] if rows.target is _to_rows else turned.setdefault(rows, node)
            if same is not node:
                node.replace_all_uses_with(same)
        elif _is_elementwise(node) and _is_among_channels(module, node):
            with module.graph.inserting_before(node):
                arguments = torch.fx.map_arg(node.args, lambda each: _as_channels(each, turned))
                made = module.graph.call_function(node.target, arguments, node.kwargs)
                rows = module.graph.call_function(_to_rows, (made,))
            rows.meta["val"] = node.meta["val"]
            node.replace_all_uses_with(rows)
            module.graph.erase_node(node)


REWRITES: tuple[Rewrite, ...] = (convolve, normalize_channels, attend_by_head, keep_channels)


def _to_channels(tokens: Tensor) -> Tensor:
    return tokens.transpose(1, 2).unsqueeze(2)  # (1, width, 1, seq_len)


def _to_rows(channels: Tensor) -> Tensor:
    return channels.squeeze(2).transpose(1, 2)  # (1, seq_len, width)


def _to_column(vector: Tensor) -> Tensor:
    return vector[:, None, None]  # (width, 1, 1)


def _to_keys(mask: Tensor) -> Tensor:
    return mask.transpose(1, 3)  # (1, seq_len, 1, 1)


def _norm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    centered = x - x.mean(1, keepdim=True)
    variance = (centered * centered).mean(1, keepdim=True)
    return (centered * torch.rsqrt(variance + epsilon) + bias) * gain


def _attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float, num_heads: int
) -> Tensor:
    """Returns the attention of one row.

    Args:
        query: ``(1, width, 1, seq_len)`` floats; keys and values likewise.
        key: What queries are compared with.
        value: What is mixed.
        mask: ``(1, seq_len, 1, 1)`` floats, added to the scores.
        scaling: Factor of the scores.
        num_heads: Equal parts of the width.
    """
    queries, values = (each.chunk(num_heads, dim=1) for each in (query * scaling, value))
    keys = key.transpose(1, 3).chunk(num_heads, dim=3)  # (1, seq_len, 1, head_width)
    mixed = []
    for q, k, v in zip(queries, keys, values, strict=True):
        scores = torch.einsum("bchq,bkhc->bkhq", q, k) + mask  # (1, keys, 1, queries)
        mixed.append(torch.einsum("bkhq,bchk->bchq", scores.softmax(dim=1), v))
    return torch.cat(mixed, dim=1)  # (1, width, 1, seq_len)


@dataclass(frozen=True, kw_only=True)
class _Attention:
    """What ``pipeline.student.attention`` leaves in a graph."""

    operands: tuple[Node, ...]
    mask: Node
    scaling: float
    num_heads: int
    result: Node


def _attention(softmax: Any) -> _Attention | None:
    """Returns the attention around a softmax; None where it has another form than we trace."""
    scores, (mixed, *others) = softmax.args[0], softmax.users
    if others or not _is_call(mixed, _ATEN.bmm.default) or not _is_call(scores, _ATEN.add.Tensor):
        return None
    product, mask = scores.args[0], _behind_views(scores.args[1])
    if not _is_call(product, _ATEN.bmm.default) or mask is None or mask.meta["val"].dim() != 4:
        return None
    scaled, keys = product.args
    if not _is_call(scaled, _ATEN.mul.Tensor) or not isinstance(scaled.args[1], float):
        return None
    result = mixed
    while len(result.users) == 1 and next(iter(result.users)).target in _VIEWS:
        result = next(iter(result.users))
    operands = tuple(_behind_views(each) for each in (scaled.args[0], keys, mixed.args[1]))
    if any(each.meta["val"].dim() != 3 for each in (*operands, result)):
        return None
    return _Attention(
        operands=operands,
        mask=mask,
        scaling=scaled.args[1],
        num_heads=product.meta["val"].shape[0],
        result=result,
    )


def _is_call(value: Any, target: Any) -> bool:
    return isinstance(value, Node) and value.target == target


def _behind_views(value: Any) -> Any:
    """Returns the value that was reshaped; None of what is a number."""
    while isinstance(value, Node) and value.target in _VIEWS:
        value = value.args[0]
    return value if isinstance(value, Node) else None


def _is_elementwise(node: Node) -> bool:
    is_pointwise = torch.Tag.pointwise in getattr(node.target, "tags", ())
    return is_pointwise or node.target == _ATEN.dropout.default  # idle, as nothing is trained


def _is_among_channels(module: GraphModule, node: Node) -> bool:
    """Returns whether an operator's results and operands may all have the channels first.

    Embeddings stay as they are: turned, they would be other matrices than the student's.
    """
    operands = node.all_input_nodes
    is_ready = all(
        attrgetter(str(each.target))(module).dim() == 1
        if each.op == "get_attr"
        else each.meta["val"].dim() == 3
        for each in operands
    )
    has_embedding = any(each.target == _ATEN.embedding.default for each in operands)
    return is_ready and not has_embedding and any(each.target is _to_rows for each in operands)


def _as_channels(node: Any, turned: dict[Node, Node]) -> Node:
    """Returns an operand with the channels first."""
    if node.target is _to_rows:
        inner: Node = node.args[0]
        return inner
    if node.op == "get_attr":
        column: Node = node.graph.call_function(_to_column, (node,))
        return column
    if node not in turned:
        turned[node] = node.graph.call_function(_to_channels, (node,))
    return turned[node]


def _compute_in_channels(
    node: Node, function: Callable[..., Tensor], tokens: tuple[Node, ...], rest: Any
) -> None:
    """Puts in place of a node a function that takes and gives channels first."""
    graph = node.graph
    with graph.inserting_before(node):
        channels = [graph.call_function(_to_channels, (each,)) for each in tokens]
        made = graph.call_function(function, (*channels, *rest))
        rows = graph.call_function(_to_rows, (made,))
    rows.meta["val"] = node.meta["val"]
    node.replace_all_uses_with(rows)


def _calls(module: GraphModule, target: Any) -> list[Any]:
    return list(module.graph.find_nodes(op="call_function", target=target))


def _parameter(module: GraphModule, node: Node) -> torch.nn.Parameter:
    return module.get_parameter(str(node.target))


def _set_parameter(module: GraphModule, node: Node, value: Tensor) -> None:
    path, _, name = str(node.target).rpartition(".")
    parameter = torch.nn.Parameter(value.detach(), requires_grad=False)
    setattr(module.get_submodule(path), name, parameter)
