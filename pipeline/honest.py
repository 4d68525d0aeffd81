"""The student with the rounded weights of a file, as far as each is an honest rounding of its own.

Weights are known by their contents, as every format has names of its own.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import nn

import converters
from converters.weights import (
    MAX_ERROR_STEPS,
    ModelWeights,
    QuantizedWeight,
    StoredMatrix,
    error_steps,
)
from pipeline.emulation import emulated, with_integers
from pipeline.load import Student
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
            weight = _nearest(module.weight.detach().numpy(), integers, rescale=is_static)
            if weight is not None:
                found[f"model.{name}.weight"] = weight
    weights = ModelWeights(precision=artifact.precision, integers=found)
    is_dynamic = artifact.backend in converters.INTEGER_BACKENDS and not is_static
    return emulated(student, weights) if is_dynamic else with_integers(student, weights)


def _nearest(
    original: np.ndarray, stored: Sequence[QuantizedWeight], *, rescale: bool
) -> QuantizedWeight | None:
    """Returns the integers that are a weight rounded, in its own shape, or nothing.

    A table may lack rows that its lengths do not reach; nobody reads them.
    """
    best, least = None, MAX_ERROR_STEPS
    for each in stored:
        num_rows, num_columns = each.values.shape
        if num_columns != original.shape[1] or num_rows > len(original):
            continue
        # Some files keep scales in halves, in which products would be rounded again.
        given = replace(each, scales=each.scales.astype(np.float32))
        if rescale:
            given = _rescaled(given, original[:num_rows])
        steps = float(error_steps(given, original[:num_rows]).max())
        if steps <= least:
            best, least = given, steps
    return None if best is None else _padded(best, len(original))


def _rescaled(weight: QuantizedWeight, original: np.ndarray) -> QuantizedWeight:
    """Returns a weight with its rows as long as the original's: static files divide them."""
    stored = weight.dequantize()
    products = (stored * original).sum(axis=1, keepdims=True)
    squares = np.square(stored).sum(axis=1, keepdims=True)
    factors = np.divide(products, squares, out=np.ones_like(products), where=squares > 0)
    return replace(weight, scales=weight.scales * factors)


def _padded(weight: QuantizedWeight, num_rows: int) -> QuantizedWeight:
    missing = ((0, num_rows - len(weight.values)), (0, 0))
    return replace(
        weight, values=np.pad(weight.values, missing), scales=np.pad(weight.scales, missing)
    )
