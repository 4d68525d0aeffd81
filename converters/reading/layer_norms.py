"""Finds layer norms in the graph of a finished file, where most converters take them apart.

Whatever the arithmetic, a norm takes one square root, and what follows it up to the norm's result
is a chain of products and sums with constants and with what led to the root.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from converters.values.artifact import TensorSpec

Value = TypeVar("Value", bound=Hashable)
"""What a format knows a value by."""


@dataclass(frozen=True, kw_only=True)
class Node(Generic[Value]):
    """An operator of any format.

    Attributes:
        kind: ``layer_norm`` is a norm in one piece, its result the first output. ``root`` is a
            square root or its reciprocal. ``arithmetic`` multiplies, divides, adds or subtracts
            element by element. ``view`` changes shapes only.
    """

    kind: Literal["layer_norm", "root", "arithmetic", "view", "other"]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def taps(count: int) -> tuple[TensorSpec, ...]:
    """Returns what a tapped copy of an artifact adds to its outputs, for so many norms."""
    names = (f"norm_{number}" for number in range(count))
    return tuple(TensorSpec(name=name, artifact_name=name, dtype="float32") for name in names)


def norm_results(nodes: Sequence[Node[Value]]) -> list[Value]:
    """Returns the value that each layer norm of a graph results in, in program order.

    Args:
        nodes: All operators, in program order. What none of them computes counts as constant.
    """
    makers = {value: node for node in nodes for value in node.outputs}
    results = []
    for place, node in enumerate(nodes):
        if node.kind == "layer_norm":
            results.append(node.outputs[0])
        elif node.kind == "root":
            results.append(_result(node, nodes[place + 1 :], makers))
    return results


def _result(
    root: Node[Value], followers: Sequence[Node[Value]], makers: dict[Value, Node[Value]]
) -> Value:
    """Returns where the chain of a norm ends."""
    known = _ancestors(root, makers)
    result = root.outputs[0]
    chain = {result}
    for node in followers:
        if node.kind in ("arithmetic", "view") and not chain.isdisjoint(node.inputs):
            others = set(node.inputs) - chain
            if all(value in known or value not in makers for value in others):
                chain.update(node.outputs)
                if node.kind == "arithmetic":
                    result = node.outputs[0]
    return result


def _ancestors(node: Node[Value], makers: dict[Value, Node[Value]]) -> set[Value]:
    """Returns all values that lead to a node."""
    found: set[Value] = set()
    waiting = [*node.inputs]
    while waiting:
        value = waiting.pop()
        if value not in found:
            found.add(value)
            waiting += makers[value].inputs if value in makers else ()
    return found
