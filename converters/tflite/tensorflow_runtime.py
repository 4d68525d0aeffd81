"""Runs a ``.tflite`` file in the interpreter of TensorFlow, which needs nothing of LiteRT's."""

import numpy as np
import tensorflow

from converters.reading.damage import loaded_by
from converters.values.artifact import Arrays, Artifact, Runner


def load(artifact: Artifact, *, num_threads: int) -> Runner:
    """Loads a file.

    Raises:
        InputError: TensorFlow cannot load it, or it lacks a signature that the artifact names.
    """
    with loaded_by("tensorflow", artifact.path):
        runner = _TensorFlowRunner(artifact, num_threads=num_threads)
    artifact.check_entry_points(runner.signatures, kind="signature")
    return runner


class _TensorFlowRunner:
    """Runs the signature for the length that the inputs have."""

    def __init__(self, artifact: Artifact, *, num_threads: int) -> None:
        self._artifact = artifact
        self._interpreter = tensorflow.lite.Interpreter(
            model_path=str(artifact.path), num_threads=num_threads
        )
        self.signatures = set(self._interpreter.get_signature_list())

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        signature = self._interpreter.get_signature_runner(self._artifact.entry_point_of(inputs))
        given = {spec.artifact_name: inputs[spec.name] for spec in self._artifact.inputs}
        outputs = signature(**given)
        return {spec.name: outputs[spec.artifact_name] for spec in self._artifact.outputs}
