"""TFLite through litert-torch: one ``.tflite`` file."""

import math
import operator
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from converters.backends import check_entry_points
from converters.values.artifact import Arrays, Artifact, ComputeUnits, Inspection, Runner
from converters.values.errors import InputError
from converters.weights.quantized import ModelWeights, StoredMatrix, StoredWeight

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node

    from converters.values.program import TracedModel

FILE_NAME = "model.tflite"


def convert(
    traced: "TracedModel",
    *,
    weights: ModelWeights,
    path: Path,
    compute_units: ComputeUnits = "all",
) -> Artifact:
    """Converts the traced program, one signature a length over shared weights, then quantizes.

    Inputs and outputs go by the names of the signature: by position, a converter is free to
    reorder them.
    """
    from converters.tflite import weights as tflite_weights
    from converters.tflite.file import TFLiteFile

    del compute_units  # Core ML's alone
    originals = traced.matrices()
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder, FILE_NAME)
        _convert_fp32(traced, exact)
        stored = _stored(originals, weights)
        tflite_weights.store(
            exact, stored, path, originals=originals, activations=weights.activations
        )
    return traced.artifact(
        backend="tflite",
        precision=weights.precision,
        activations=weights.kind_of_activations,
        path=path,
        requires={"tensorflow-lite": TFLiteFile(path).least_runtime},
        entry_points=[signature_name(seq_len) for seq_len in traced.seq_lens],
    )


def load(artifact: Artifact, *, runtime: str, num_threads: int) -> Runner:
    """Loads a ``.tflite`` file into LiteRT, or into TensorFlow's own interpreter."""
    kind = _TensorFlowRunner if runtime == "tensorflow" else _LiteRtRunner
    try:
        runner = kind(artifact, num_threads=num_threads)
    except (ValueError, RuntimeError) as err:
        raise InputError(
            f"{runtime} cannot load {artifact.path}: {str(err).splitlines()[0]}",
            hint="build the bundle again",
        ) from err
    check_entry_points(artifact, runner.signatures, kind="signature")
    return runner


def inspect(path: Path) -> Inspection:
    """Tells what a ``.tflite`` file holds."""
    from converters.tflite import inspection

    return inspection.inspect(path)


def read_matrices(path: Path) -> dict[str, list[StoredMatrix]]:
    """Reads every matrix that a ``.tflite`` file stores, by signature."""
    from converters.tflite import matrices

    return matrices.read_matrices(path)


def tap(artifact: Artifact, *, path: Path) -> Artifact:
    """Writes a copy of a ``.tflite`` file that also gives the results of its layer norms."""
    from converters.tflite import taps

    return taps.tap(artifact, path=path)


class _LiteRtRunner:
    """Runs the signature for the length that the inputs have, in LiteRT's own interface.

    XNNPACK keeps weights in a form of its own. With a cache of them, which ``:memory`` keeps off
    the disk, all signatures share one copy; without, each makes another, which costs memory and the
    time of the first answer. LiteRT's older ``Interpreter`` has no such cache.

    Source: ``TfLiteXNNPackDelegateInMemoryFilePath`` in TensorFlow Lite's ``xnnpack_delegate.h``.
    """

    def __init__(self, artifact: Artifact, *, num_threads: int) -> None:
        from ai_edge_litert import compiled_model as litert

        self._artifact = artifact
        self._model = litert.CompiledModel.from_file(
            str(artifact.path),
            options=litert.Options(
                hardware_accelerators=litert.HardwareAccelerator.CPU,
                cpu_options=litert.CpuOptions(
                    num_threads=num_threads, xnnpack_weight_cache_path=":memory"
                ),
            ),
        )
        self.signatures = set(self._model.get_signature_list())

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        model = self._model
        signature = _signature(self._artifact, inputs)
        given, taken = {}, {}
        for spec in self._artifact.inputs:
            buffer = model.create_input_buffer_by_name(signature, spec.artifact_name)
            buffer.write(inputs[spec.name])
            given[spec.artifact_name] = buffer
        for spec in self._artifact.outputs:
            name = spec.artifact_name
            taken[name] = model.create_output_buffer_by_name(signature, name)
        model.run_by_name(signature, given, taken)
        details = model.get_output_tensor_details(signature)
        outputs = {}
        for spec in self._artifact.outputs:
            shape = details[spec.artifact_name]["shape"]
            values = taken[spec.artifact_name].read(math.prod(shape), np.dtype(spec.dtype))
            outputs[spec.name] = values.reshape(shape)
        return outputs


class _TensorFlowRunner:
    """Runs the signature for the length that the inputs have, in TensorFlow's interpreter."""

    def __init__(self, artifact: Artifact, *, num_threads: int) -> None:
        import tensorflow

        self._artifact = artifact
        self._interpreter = tensorflow.lite.Interpreter(
            model_path=str(artifact.path), num_threads=num_threads
        )
        self.signatures = set(self._interpreter.get_signature_list())

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        signature = self._interpreter.get_signature_runner(_signature(self._artifact, inputs))
        given = {spec.artifact_name: inputs[spec.name] for spec in self._artifact.inputs}
        outputs = signature(**given)
        return {spec.name: outputs[spec.artifact_name] for spec in self._artifact.outputs}


def signature_name(seq_len: int) -> str:
    """Returns the name that conversion gives the signature for a length."""
    return f"len_{seq_len}"


def _signature(artifact: Artifact, inputs: Arrays) -> str:
    return artifact.entry_point(inputs[artifact.inputs[0].name].shape[1])


def _convert_fp32(traced: "TracedModel", path: Path) -> None:
    from litert_torch import Converter

    converter = Converter()
    for seq_len in traced.seq_lens:
        # An exported program has no training mode, but its module says that it is in it.
        module = traced.module()
        module.training = False
        _keep_weights(module)
        sample = traced.sample_inputs(seq_len)
        converter.signature(signature_name(seq_len), module, sample_kwargs=sample)
    converter.convert().export(str(path))


def _keep_weights(module: "GraphModule") -> None:
    """Sets barriers around linear layers, so that their weights reach the file as they are.

    The converter folds the gain of a layer norm into the weights that follow it, and the factor of
    the queries into those before it; they then are no longer those that all backends quantize
    alike. A barrier itself leaves no operator behind.
    """
    import torch

    before: dict[torch.fx.Node, torch.fx.Node] = {}
    for node in module.graph.find_nodes(op="call_function", target=torch.ops.aten.linear.default):
        source = node.args[0]
        if source not in before:
            before[source] = _barrier(source)
        node.replace_input_with(source, before[source])
        users = set(node.users)
        after = _barrier(node)
        node.replace_all_uses_with(after, delete_user_cb=users.__contains__)
    module.recompile()


def _barrier(source: "Node") -> "Node":
    """Adds a barrier behind a value and returns what comes out of it.

    Workaround: litert-torch 0.10 takes the result of a barrier of one tensor for no list, so it is
    given its tensor twice; it can go when ``optimization_barrier(x)`` converts.
    """
    import torch
    from litert_torch.backend import optimization_barrier  # noqa: F401  (registers the operator)

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
