"""Makes a ``.tflite`` file: litert-torch writes it in fp32, then the given weights go into it."""

import operator
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from litert_torch import Converter
from litert_torch.backend import optimization_barrier  # noqa: F401  registers the operator
from torch.fx import GraphModule, Node

from converters.conversion import Conversion
from converters.tflite.file import TFLiteFile
from converters.tflite.weights import store
from converters.values.artifact import Artifact, entry_point_for
from converters.values.program import TracedModel
from converters.weights.quantized import ModelWeights, StoredWeight


def convert(conversion: Conversion) -> Artifact:
    """Writes a file with one signature a length, over shared weights.

    Inputs and outputs go by the names of the signature: by position, a converter is free to
    reorder them.
    """
    traced, weights = conversion.traced, conversion.weights
    originals = traced.matrices()
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder, "exact.tflite")
        convert_fp32(traced, exact)
        store(
            exact,
            _stored(originals, weights),
            conversion.path,
            originals=originals,
            activations=weights.activations,
        )
    return conversion.artifact(
        "tflite",
        requires={"tensorflow-lite": TFLiteFile(conversion.path).least_runtime},
        entry_points=[entry_point_for(seq_len) for seq_len in traced.seq_lens],
    )


def convert_fp32(traced: TracedModel, path: Path) -> None:
    """Writes a file in fp32 with a signature for each length."""
    converter = Converter()
    for seq_len in traced.seq_lens:
        # An exported program has no training mode, but its module says that it is in it.
        module = traced.module()
        module.training = False
        _keep_weights(module)
        sample = traced.sample_inputs(seq_len)
        converter.signature(entry_point_for(seq_len), module, sample_kwargs=sample)
    converter.convert().export(str(path))


def _keep_weights(module: GraphModule) -> None:
    """Sets barriers around linear layers, so that their weights reach the file as they are.

    The converter folds the gain of a layer norm into the weights that follow it, and the factor of
    the queries into those before it; they then are no longer those that all backends quantize
    alike. A barrier itself leaves no operator behind.
    """
    before: dict[Node, Node] = {}
    for node in module.graph.find_nodes(op="call_function", target=torch.ops.aten.linear.default):
        source = node.args[0]
        if source not in before:
            before[source] = _barrier(source)
        node.replace_input_with(source, before[source])
        users = set(node.users)
        after = _barrier(node)
        node.replace_all_uses_with(after, delete_user_cb=users.__contains__)
    module.recompile()


def _barrier(source: Node) -> Node:
    """Adds a barrier behind a value and returns what comes out of it.

    Workaround: litert-torch 0.10 takes the result of a barrier of one tensor for no list, so it is
    given its tensor twice; it can go when ``optimization_barrier(x)`` converts.
    """
    graph = source.graph
    with graph.inserting_after(source):
        both = graph.call_function(
            torch.ops.litert_torch.optimization_barrier.default, ((source, source),)
        )
    with graph.inserting_after(both):
        return graph.call_function(operator.getitem, (both, 0))


def _stored(
    originals: Mapping[str, np.ndarray], weights: ModelWeights
) -> Mapping[str, StoredWeight]:
    """Returns the weights as integers or halves, by name."""
    if weights.precision == "fp16":
        return {name: weight.astype(np.float16) for name, weight in originals.items()}
    return weights.integers
