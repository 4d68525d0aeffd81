"""Core ML through coremltools: one ``.mlpackage`` that holds an ML program."""

from pathlib import Path

from converters.conversion import Conversion
from converters.values.artifact import Artifact, Inspection, Runner
from converters.weights.quantized import StoredMatrix

FILE_NAME = "model.mlpackage"


def convert(conversion: Conversion) -> Artifact:
    """Converts the traced program and writes one ``.mlpackage``."""
    from converters.coreml.convert import convert

    return convert(conversion)


def load(artifact: Artifact, *, runtime: str, num_threads: int) -> Runner:
    """Loads a package into our evaluator, or on macOS into Apple's Core ML."""
    from converters.coreml.runtime import load

    return load(artifact, runtime=runtime, num_threads=num_threads)


def inspect(path: Path) -> Inspection:
    """Returns what a package holds."""
    from converters.coreml.inspection import inspect

    return inspect(path)


def read_matrices(path: Path) -> dict[str, list[StoredMatrix]]:
    """Returns every matrix that a package stores, by function."""
    from converters.coreml.matrices import read_matrices

    return read_matrices(path)


def tap(artifact: Artifact, *, path: Path) -> Artifact:
    """Writes a copy of a package that also gives the results of its layer norms."""
    from converters.coreml.taps import tap

    return tap(artifact, path=path)
