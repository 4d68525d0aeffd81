"""Writes copies of ``.mlpackage`` folders that also give the results of their layer norms."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from converters.coreml_evaluator.package import open_spec
from converters.reading.layer_norms import taps
from converters.values.artifact import Artifact

_FEATURE_DTYPES = {10: 65552, 11: 65568}
"""The array type of a feature, by the type of a value: float16 and float32."""


def tap(artifact: Artifact, *, path: Path) -> Artifact:
    """Writes a copy whose functions have the norms' results as further outputs."""
    shutil.copytree(artifact.path, path)
    spec, root = open_spec(path)
    described = {entry.name: entry for entry in spec.description.functions}
    counts = []
    for name, function in spec.mlProgram.functions.items():
        (block,) = function.block_specializations.values()
        norms = [each.outputs[0] for each in block.operations if each.type == "layer_norm"]
        renamed = {norm.name: f"norm_{number}" for number, norm in enumerate(norms)}
        for value in _names(block):
            if value.name in renamed:
                value.name = renamed[value.name]
        block.outputs.extend(norm.name for norm in norms)
        description = described.get(name, spec.description)
        for norm in norms:
            _describe(description.output.add(), norm)
        counts.append(len(norms))
    root.write_bytes(spec.SerializeToString(deterministic=True))
    return replace(artifact, path=path, outputs=(*artifact.outputs, *taps(min(counts))))


def _names(block: Any) -> Iterator[Any]:
    """Yields all that names a value in a block: results, and what takes them."""
    for operation in block.operations:
        yield from operation.outputs
        for argument in operation.inputs.values():
            yield from argument.arguments


def _describe(feature: Any, value: Any) -> None:
    tensor = value.type.tensorType
    feature.name = value.name
    array = feature.type.multiArrayType
    array.dataType = _FEATURE_DTYPES[tensor.dataType]
    array.shape.extend(dimension.constant.size for dimension in tensor.dimensions)
