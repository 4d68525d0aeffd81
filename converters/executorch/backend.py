"""ExecuTorch through XNNPACK: one ``.pte`` file."""

from pathlib import Path

from converters.conversion import Conversion
from converters.values.artifact import Artifact, Inspection, Runner
from converters.weights.quantized import StoredMatrix

FILE_NAME = "model.pte"


def convert(conversion: Conversion) -> Artifact:
    """Quantizes the traced graph, lowers it to XNNPACK and writes one ``.pte`` file."""
    from converters.executorch.convert import convert

    return convert(conversion)


def load(artifact: Artifact, *, runtime: str, num_threads: int) -> Runner:
    """Loads a ``.pte`` file into ExecuTorch's Python runtime."""
    from converters.executorch.runtime import load

    del runtime  # there is one
    return load(artifact, num_threads=num_threads)


def inspect(path: Path) -> Inspection:
    """Returns what a ``.pte`` file holds."""
    from converters.executorch.inspection import inspect

    return inspect(path)


def read_matrices(path: Path) -> dict[str, list[StoredMatrix]]:
    """Returns every matrix that a ``.pte`` file stores, by method."""
    from converters.executorch.matrices import read_matrices

    return read_matrices(path)


def tap(artifact: Artifact, *, path: Path) -> Artifact:
    """Writes a copy of a ``.pte`` file that also gives the results of its layer norms."""
    from converters.executorch.taps import tap

    return tap(artifact, path=path)
