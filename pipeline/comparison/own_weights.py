"""The student with the rounded weights of a file, as far as each is an honest rounding."""

from collections.abc import Mapping

from converters import backends
from converters.values.artifact import Artifact
from converters.weights.quantized import ModelWeights, QuantizedWeight
from pipeline.student.emulation import emulated, with_integers
from pipeline.student.load import Student


def with_file_integers(
    student: Student, artifact: Artifact, integers: Mapping[str, QuantizedWeight]
) -> Student:
    """Returns the student as it computes with the integers of a file.

    Where the backend multiplies integers by integers, what a linear layer takes is rounded as well,
    unless it is by ranges that the file alone knows.

    Args:
        student: In fp32; it stays as it is.
        artifact: Whose file it is.
        integers: What stands in it for the student's own weights, by the traced student's names;
            a weight that is not among them stays as the student has it.
    """
    weights = ModelWeights(precision=artifact.precision, integers=integers)
    is_dynamic = artifact.activations == "dynamic"
    rounds = is_dynamic and artifact.backend in backends.INTEGER_BACKENDS
    return emulated(student, weights) if rounds else with_integers(student, weights)
