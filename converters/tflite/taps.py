"""Writes copies of ``.tflite`` files that also give the results of their layer norms."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from ai_edge_litert import schema_py_generated as schema

from converters.reading.layer_norms import Node, norm_results, taps
from converters.tflite.graph import EditedModel, Graph
from converters.values.artifact import Artifact

_CODES = schema.BuiltinOperator
_KINDS: dict[int, Literal["root", "arithmetic", "view"]] = {
    _CODES.RSQRT: "root",
    _CODES.SQRT: "root",
    _CODES.MUL: "arithmetic",
    _CODES.DIV: "arithmetic",
    _CODES.ADD: "arithmetic",
    _CODES.SUB: "arithmetic",
    _CODES.RESHAPE: "view",
}


def tap(artifact: Artifact, *, path: Path) -> Artifact:
    """Writes a copy whose signatures have the norms' results as further outputs.

    An output is a tensor that no kernel overwrites and that XNNPACK hands back, so what is read is
    what the file computes; the interpreter's option to preserve all tensors does not promise that.
    """
    model = EditedModel(artifact.path)
    results = [norm_results(_nodes(graph)) for graph in model.graphs]
    outputs = taps(min(map(len, results)))
    for graph, tensors in zip(model.graphs, results, strict=True):
        for spec, tensor in zip(outputs, tensors, strict=True):
            graph.add_output(spec.artifact_name, tensor)
    model.save(path)
    return replace(artifact, path=path, outputs=(*artifact.outputs, *outputs))


def _nodes(graph: Graph) -> list[Node[int]]:
    return [
        Node(
            kind=_KINDS.get(graph.model.code(operator), "other"),
            inputs=tuple(int(tensor) for tensor in operator.inputs if tensor >= 0),
            outputs=tuple(int(tensor) for tensor in operator.outputs),
        )
        for operator in graph.all_operators
    ]
