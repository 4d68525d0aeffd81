"""Runs a Core ML package: by emulation anywhere, and on macOS in Apple's own framework."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from converters.coreml_evaluator.evaluator import CoreMLReference
from converters.coreml_evaluator.package import MAIN
from converters.values.artifact import Arrays, Artifact, ComputeUnits, Runner
from converters.workarounds import coremltools_without_frameworks

with coremltools_without_frameworks():
    import coremltools as ct


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


class _FunctionRunner:
    """Opens the function for a length when that length is first asked for."""

    def __init__(self, artifact: Artifact, open_function: Callable[[str], Runner]) -> None:
        self._artifact = artifact
        self._open = open_function
        self._models: dict[str, Runner] = {}

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        function = self._artifact.entry_point_of(inputs)
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
            function_name=None if function == MAIN else function,
            compute_units=units,
        )

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        # Its Python interface takes numbers as 32-bit floats.
        given = {name: value.astype(np.float32) for name, value in inputs.items()}
        return {name: np.asarray(value) for name, value in self._model.predict(given).items()}
