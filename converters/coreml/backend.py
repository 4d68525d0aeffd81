"""Core ML through coremltools: one ``.mlpackage`` that holds an ML program."""

import json
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from converters.coreml import inspection, matrices, taps
from converters.coreml.layout import channels_first
from converters.coreml.weights import deployment_target, store
from converters.coreml_evaluator.evaluator import CoreMLReference
from converters.values.artifact import Arrays, Artifact, ComputeUnits, Inspection, Runner
from converters.values.program import TracedModel
from converters.weights.quantized import ModelWeights, StoredMatrix
from converters.workarounds import coremltools_without_frameworks

with coremltools_without_frameworks():
    import coremltools as ct
    from coremltools.proto import Model_pb2

FILE_NAME = "model.mlpackage"

_DATE = "com.github.apple.coremltools.conversion_date"
"""Of the day, in this machine's time zone, on which a package was converted."""

_ONLY_FUNCTION = "main"
"""Of a package of one length. Before iOS 18 and macOS 15 it is called without its name."""

_SYSTEMS = {
    ct.target.iOS17: {"ios": "17.0", "macos": "14.0"},
    ct.target.iOS18: {"ios": "18.0", "macos": "15.0"},
}
_PASSES_INTO_KERNELS = ("common::fuse_conv_scale", "common::fuse_conv_batchnorm")
"""They multiply what follows a convolution into its kernels, which are to be the student's own."""


def convert(
    traced: TracedModel, *, weights: ModelWeights, path: Path, compute_units: ComputeUnits = "all"
) -> Artifact:
    """Converts the traced program to an ML program that stores these weights, and saves it.

    One length makes a package for iOS 17, or with weights of four bits for iOS 18. Several make one
    function a length over shared weights, for iOS 18: a flexible shape would lose the Neural
    Engine. Where that engine is asked for by name, the program has its layout.
    """
    is_one = len(traced.seq_lens) == 1
    if is_one:
        (seq_len,), target = traced.seq_lens, deployment_target(weights.integers)
        program = _program(traced, seq_len, compute_units)
        _convert_program(program, traced, seq_len, weights, target).save(str(path))
    else:
        target = ct.target.iOS18
        _convert_lengths(traced, weights, path, compute_units)
    _settle_bytes(path)
    return traced.artifact(
        backend="coreml",
        precision=weights.precision,
        path=path,
        compute_units=compute_units,
        requires=_SYSTEMS[target],
        entry_points=[_ONLY_FUNCTION]
        if is_one
        else [_function(seq_len) for seq_len in traced.seq_lens],
    )


def load(artifact: Artifact, *, runtime: str, num_threads: int) -> Runner:
    """Loads a package into our evaluator, or on macOS into Apple's Core ML.

    A package that names no entry points, as anyone's may be, runs its default function.
    """

    def open_one(function: str | None) -> Runner:
        return open_function(
            artifact.path,
            function,
            runtime=runtime,
            num_threads=num_threads,
            compute_units=artifact.compute_units,
        )

    return _FunctionRunner(artifact, open_one) if artifact.entry_points else open_one(None)


def open_function(
    path: Path,
    function: str | None,
    *,
    runtime: str,
    num_threads: int,
    compute_units: ComputeUnits | None = None,
) -> Runner:
    """Loads one function of any package into a runtime; None is the package's default."""
    if runtime == "coreml":
        return _AppleModel(path, function, compute_units)
    return CoreMLReference(path, num_threads=num_threads, function=function)


def inspect(path: Path) -> Inspection:
    """Tells what a package holds."""
    return inspection.inspect(path)


def read_matrices(path: Path) -> dict[str, list[StoredMatrix]]:
    """Reads every matrix that a package stores, by function."""
    return matrices.read_matrices(path)


def tap(artifact: Artifact, *, path: Path) -> Artifact:
    """Writes a copy of a package that also gives the results of its layer norms."""
    return taps.tap(artifact, path=path)


class _FunctionRunner:
    """Opens the function for a length when that length is first asked for."""

    def __init__(self, artifact: Artifact, open_function: Callable[[str], Runner]) -> None:
        self._artifact = artifact
        self._open = open_function
        self._models: dict[str, Runner] = {}

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        function = self._artifact.entry_point(inputs[self._artifact.inputs[0].name].shape[1])
        if function not in self._models:
            self._models[function] = self._open(function)
        return self._models[function].run(inputs)


class _AppleModel:
    """Apple's Core ML, on macOS."""

    def __init__(
        self, path: Path, function: str | None, compute_units: ComputeUnits | None
    ) -> None:
        units = ct.ComputeUnit[(compute_units or "all").replace("-", "_").upper()]
        self._model = ct.models.MLModel(
            str(path),
            function_name=None if function == _ONLY_FUNCTION else function,
            compute_units=units,
        )

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        # Its Python interface takes numbers as 32-bit floats.
        given = {name: value.astype(np.float32) for name, value in inputs.items()}
        return {name: np.asarray(value) for name, value in self._model.predict(given).items()}


def _convert_lengths(
    traced: TracedModel, weights: ModelWeights, path: Path, compute_units: ComputeUnits
) -> None:
    functions = ct.utils.MultiFunctionDescriptor()
    with tempfile.TemporaryDirectory() as folder:
        for seq_len in traced.seq_lens:
            part = str(Path(folder, f"{seq_len}.mlpackage"))
            program = _program(traced, seq_len, compute_units)
            _convert_program(program, traced, seq_len, weights, ct.target.iOS18).save(part)
            functions.add_function(
                part, src_function_name=_ONLY_FUNCTION, target_function_name=_function(seq_len)
            )
        functions.default_function_name = _function(traced.seq_lens[-1])
        ct.utils.save_multifunction(functions, str(path))


def _program(
    traced: TracedModel, seq_len: int, compute_units: ComputeUnits
) -> torch.export.ExportedProgram:
    """Returns the program at one length, in the layout of the units that it is for."""
    program = traced.at_length(seq_len)
    if compute_units != "cpu-and-ne":
        return program
    return channels_first(program, traced.sample_inputs(seq_len))


def _convert_program(
    program: torch.export.ExportedProgram,
    traced: TracedModel,
    seq_len: int,
    weights: ModelWeights,
    target: ct.target,
) -> ct.models.MLModel:
    half = weights.precision != "fp32"
    passes = ct.PassPipeline()
    passes.remove_passes(_PASSES_INTO_KERNELS)
    return ct.convert(
        store(program, weights.integers),
        minimum_deployment_target=target,
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        inputs=[
            ct.TensorType(name=name, shape=(1, seq_len), dtype=np.int32)
            for name in traced.input_names
        ],
        outputs=[ct.TensorType(name=name, dtype=np.float32) for name in traced.output_names],
        skip_model_load=True,
        pass_pipeline=passes,
    )


def _settle_bytes(path: Path) -> None:
    """Replaces random identifiers and map order and drops the date: equal builds are equal."""
    manifest = path / "Manifest.json"
    text = manifest.read_text(encoding="utf-8")
    for identifier, item in json.loads(text)["itemInfoEntries"].items():
        text = text.replace(identifier, str(uuid.uuid5(uuid.NAMESPACE_URL, item["path"])))
    content = json.loads(text)
    manifest.write_text(json.dumps(content, indent=4, sort_keys=True), encoding="utf-8")
    program = path / "Data" / content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
    spec = Model_pb2.Model.FromString(program.read_bytes())
    spec.description.metadata.userDefined.pop(_DATE, None)
    program.write_bytes(spec.SerializeToString(deterministic=True))


def _function(seq_len: int) -> str:
    return f"len_{seq_len}"
