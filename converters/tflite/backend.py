"""TFLite through litert-torch: one ``.tflite`` file."""

from pathlib import Path

from converters.conversion import Conversion
from converters.values.artifact import Artifact, Inspection, Runner
from converters.weights.quantized import StoredMatrix

FILE_NAME = "model.tflite"


def convert(conversion: Conversion) -> Artifact:
    """Converts the traced program, stores the weights and writes one ``.tflite`` file."""
    from converters.tflite.convert import convert

    return convert(conversion)


def load(artifact: Artifact, *, runtime: str, num_threads: int) -> Runner:
    """Loads a ``.tflite`` file into LiteRT, or into TensorFlow's own interpreter."""
    if runtime == "tensorflow":
        from converters.tflite.tensorflow_runtime import load
    else:
        from converters.tflite.runtime import load

    return load(artifact, num_threads=num_threads)


def inspect(path: Path) -> Inspection:
    """Returns what a ``.tflite`` file holds."""
    from converters.tflite.inspection import inspect

    return inspect(path)


def read_matrices(path: Path) -> dict[str, list[StoredMatrix]]:
    """Returns every matrix that a ``.tflite`` file stores, by signature."""
    from converters.tflite.matrices import read_matrices

    return read_matrices(path)


def tap(artifact: Artifact, *, path: Path) -> Artifact:
    """Writes a copy of a ``.tflite`` file that also gives the results of its layer norms."""
    from converters.tflite.taps import tap

    return tap(artifact, path=path)
