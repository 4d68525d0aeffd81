"""The student with the rounded weights of a file, as far as each is an honest rounding."""

from collections.abc import Sequence

from torch import nn

import converters
from converters.weights import ModelWeights, QuantizedWeight, StoredMatrix
from pipeline.emulation import emulated, with_integers
from pipeline.load import Student
from pipeline.matching import how_far, nearest_weight
from pipeline.values import Artifact


def rounded(student: Student, artifact: Artifact, stored: Sequence[StoredMatrix]) -> Student:
    """Returns the student with those integers of a file that stand for its own weights.

    Where the backend multiplies integers by integers, what such a layer takes is rounded as well.

    Args:
        student: In fp32; it stays as it is.
        artifact: Whose file it is.
        stored: Every matrix that it holds.
    """
    integers = [each.weight for each in stored if isinstance(each.weight, QuantizedWeight)]
    is_static = artifact.activations == "static"
    found = {}
    for name, module in student.model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            original = module.weight.detach().numpy()
            weight = nearest_weight(original, integers, is_static=is_static)
            if weight is not None and not how_far(weight, original):
                found[f"model.{name}.weight"] = weight
    weights = ModelWeights(precision=artifact.precision, integers=found)
    is_dynamic = artifact.backend in converters.INTEGER_BACKENDS and not is_static
    return emulated(student, weights) if is_dynamic else with_integers(student, weights)
