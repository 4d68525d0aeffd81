"""ExecuTorch through XNNPACK: one ``.pte`` file."""

from importlib.metadata import version
from pathlib import Path

import executorch.kernels.quantized  # noqa: F401  gives the runtime its int8 embedding kernel
import numpy as np
import torch
from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
from executorch.runtime import Runtime

from converters.backends import check_entry_points
from converters.executorch import inspection, lowering, matrices, precision, taps
from converters.values.artifact import Arrays, Artifact, ComputeUnits, Inspection, Runner
from converters.values.errors import InputError
from converters.values.program import TracedModel
from converters.weights.quantized import ModelWeights, StoredMatrix

FILE_NAME = "model.pte"

_LEAST_RUNTIME = ".".join(version("executorch").split(".")[:2])
"""A file runs on the minor release that wrote it and on the next, not on an older one."""


_ARM64_FP16 = {"arm64-fp16": "8.2"}
"""What computes in halves needs of an arm64 processor: FEAT_FP16, which came with Armv8.2, and
without which XNNPACK refuses the file. x86 needs nothing: there XNNPACK computes in floats."""


def convert(
    traced: TracedModel, *, weights: ModelWeights, path: Path, compute_units: ComputeUnits = "all"
) -> Artifact:
    """Quantizes the traced graph, lowers it to XNNPACK and writes one ``.pte`` file.

    Several lengths become one method of dynamic length, so every weight is stored once.
    """
    del compute_units  # Core ML's alone
    program = _at_precision(traced, weights)
    with path.open("wb") as file:
        lowering.lower(program).to_executorch().write_to_file(file)
    return traced.artifact(
        backend="executorch",
        precision=weights.precision,
        activations=weights.kind_of_activations,
        path=path,
        requires={"executorch": _LEAST_RUNTIME}
        | (_ARM64_FP16 if weights.precision == "fp16" else {}),
        entry_points=["forward"] * len(traced.seq_lens),
        by_position=True,
    )


def load(artifact: Artifact, *, runtime: str, num_threads: int) -> Runner:
    """Loads a ``.pte`` file into ExecuTorch's Python runtime."""
    del runtime
    return _ExecuTorchRunner(artifact, num_threads=num_threads)


def inspect(path: Path) -> Inspection:
    """Tells what a ``.pte`` file holds."""
    return inspection.inspect(path)


def read_matrices(path: Path) -> dict[str, list[StoredMatrix]]:
    """Reads every matrix that a ``.pte`` file stores, by method."""
    return matrices.read_matrices(path)


def tap(artifact: Artifact, *, path: Path) -> Artifact:
    """Writes a copy of a ``.pte`` file that also gives the results of its layer norms."""
    return taps.tap(artifact, path=path)


class _ExecuTorchRunner:
    def __init__(self, artifact: Artifact, *, num_threads: int) -> None:
        _unsafe_reset_threadpool(num_threads)
        self._artifact = artifact
        self._input_names = [spec.name for spec in artifact.inputs]
        self._output_names = [spec.name for spec in artifact.outputs]
        try:
            self._program = Runtime.get().load_program(artifact.path)
            names = set(artifact.entry_points)
            check_entry_points(artifact, self._program.method_names, kind="method")
            self._methods = {name: self._program.load_method(name) for name in names}
        except RuntimeError as err:
            raise InputError(
                f"ExecuTorch cannot load {artifact.path}: {err}", hint="build the bundle again"
            ) from err

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        seq_len = inputs[self._input_names[0]].shape[1]
        method = self._methods[self._artifact.entry_point(seq_len)]
        tensors = [torch.from_numpy(inputs[name]) for name in self._input_names]
        try:
            outputs = method.execute(tensors)
        except RuntimeError as err:
            raise InputError(
                f"ExecuTorch cannot run the artifact: {err}", hint="build the bundle again"
            ) from err
        # The runtime writes its next outputs over these.
        arrays = [output.numpy().copy() for output in outputs]
        return dict(zip(self._output_names, arrays, strict=True))


def _at_precision(traced: TracedModel, weights: ModelWeights) -> torch.export.ExportedProgram:
    if weights.precision == "fp32":
        return traced.program
    module = traced.module()
    if weights.precision == "fp16":
        precision.to_fp16(module)
    else:
        precision.quantize(module, weights.integers, weights.activations)
    inputs = traced.sample_inputs(traced.seq_lens[-1])
    return torch.export.export(
        module, (), inputs, dynamic_shapes=traced.dynamic_shapes, strict=False
    )
