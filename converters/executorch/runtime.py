"""Runs a ``.pte`` file in ExecuTorch's Python runtime.

``executorch.runtime`` is a thin layer over the bindings that are called here. ExecuTorch 1.4.1
imports its whole exporter with it, for the class of a warning: three of the four CPU seconds that a
process would take to start.
"""

import executorch.kernels.quantized  # noqa: F401  gives the runtime its embedding kernels
import numpy as np
import torch  # before the next, which needs its libraries
from executorch.extension.pybindings import _portable_lib as bindings

from converters.reading.damage import loaded_by
from converters.values.artifact import Arrays, Artifact, Runner
from converters.values.errors import InputError


def load(artifact: Artifact, *, num_threads: int) -> Runner:
    """Loads a file.

    Raises:
        InputError: ExecuTorch cannot load it, or it lacks a method that the artifact names.
    """
    with loaded_by("ExecuTorch", artifact.path):
        return _ExecuTorchRunner(artifact, num_threads=num_threads)


class _ExecuTorchRunner:
    """Runs the method for the length that the inputs have."""

    def __init__(self, artifact: Artifact, *, num_threads: int) -> None:
        bindings._unsafe_reset_threadpool(num_threads)
        self._artifact = artifact
        self._input_names = [spec.name for spec in artifact.inputs]
        self._output_names = [spec.name for spec in artifact.outputs]
        self._program = bindings._load_program(
            str(artifact.path), program_verification=bindings.Verification.InternalConsistency
        )
        known = {self._program.get_method_name(i) for i in range(self._program.num_methods())}
        artifact.check_entry_points(known, kind="method")
        self._methods = {
            name: self._program.load_method(name) for name in set(artifact.entry_points)
        }

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        method = self._methods[self._artifact.entry_point_of(inputs)]
        tensors = [torch.from_numpy(inputs[name]) for name in self._input_names]
        try:
            outputs = method(tensors)
        except RuntimeError as err:
            raise InputError(
                f"ExecuTorch cannot run the artifact: {err}", hint="build the bundle again"
            ) from err
        # The runtime writes its next outputs over these.
        arrays = [output.numpy().copy() for output in outputs]
        return dict(zip(self._output_names, arrays, strict=True))
