"""Finds a student's weights among the integers of a file, which has names of its own for them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from converters.weights.quantized import (
    MAX_ERROR_STEPS,
    RANGES,
    QuantizedWeight,
    StoredMatrix,
    error_steps,
)
from pipeline.conversion.metrics import cosine

LEAST_GAIN = 0.7
"""Of a group of weights that share a scale: the least that rounding may scale it by, as least
squares find; the largest is one over it. A scale that is half or twice what it should be is found
out in the smallest group.
"""

_LEAST_LIKENESS = 0.5
"""Cosine below which a matrix is another one: rounding leaves 0.9 at least."""


def find_integers(
    stored: Iterable[StoredMatrix], originals: Mapping[str, np.ndarray], *, is_static: bool
) -> dict[str, QuantizedWeight]:
    """Returns the integers of a file that are roundings of a student's weights, by their names.

    Args:
        stored: Every matrix of one function.
        originals: ``(rows, columns) float32`` of every matrix of the student, by name.
        is_static: As for ``nearest_weight``.
    """
    integers = [each.weight for each in stored if isinstance(each.weight, QuantizedWeight)]
    found = {}
    for name, original in originals.items():
        nearest = nearest_weight(original, integers, is_static=is_static)
        if nearest is not None and not how_far(nearest, original):
            found[name] = nearest
    return found


def nearest_weight(
    original: np.ndarray, stored: Iterable[QuantizedWeight], *, is_static: bool
) -> QuantizedWeight | None:
    """Returns the integers that are a weight, rounded well or badly; None where none is like it.

    Args:
        original: ``(rows, columns) float32``.
        stored: Of a file, their scales in any float format.
        is_static: Whether scales are in units of each row's output, which is not known: they are
            then made to fit the original.
    """
    candidates = [each for each in stored if each.values.shape == original.shape]
    nearest = max(candidates, key=lambda each: _likeness(each, original), default=None)
    if nearest is None or not _likeness(nearest, original) >= _LEAST_LIKENESS:
        return None
    # Some files keep scales in halves, in which products would be rounded again.
    nearest = replace(nearest, scales=nearest.scales.astype(np.float32))
    return _rescaled(nearest, original) if is_static else nearest


def how_far(weight: QuantizedWeight, original: np.ndarray) -> str:
    """Returns in words how a weight is no rounding of the original; empty where it is one."""
    steps = error_steps(weight, original).max()
    if not steps <= MAX_ERROR_STEPS:
        return f"is stored with values {steps:.2g} steps off"
    gains = _gains(weight, original)
    is_wrong = ~(np.isnan(gains) | _is_kept(gains))
    if is_wrong.any():
        # A large weight that no text needs is cut off at the end of the range, and makes most of
        # its group's gain; a scale that is wrong moves all the others, too.
        is_inside = np.abs(weight.values) < RANGES[weight.bits][1]
        inside = _gains(replace(weight, values=weight.values * is_inside), original * is_inside)
        is_wrong &= ~_is_kept(inside)
    if is_wrong.any():
        wrong = gains[is_wrong]
        worst = wrong[np.argmax(np.abs(wrong - 1))]
        return f"has a scale that makes its values {worst:.2g} times the original"
    return ""


def _likeness(weight: QuantizedWeight, original: np.ndarray) -> float:
    """Returns the mean cosine between a few rows of a weight and those of an original; or zero.

    Each row by itself, for the scales may be in units of each row's output.
    """
    rows = slice(None, None, max(1, len(original) // 16))
    some = QuantizedWeight(
        values=weight.values[rows], scales=weight.scales[rows], bits=weight.bits
    ).dequantize()
    cosines = [
        cosine(actual=given, reference=wanted)
        for given, wanted in zip(some.astype(np.float32), original[rows], strict=True)
    ]
    known = [each for each in cosines if not math.isnan(each)]  # zeros are like nothing
    return float(np.mean(known)) if known else 0.0


def _gains(weight: QuantizedWeight, original: np.ndarray) -> np.ndarray:
    """Returns by how much each group was scaled, ``(rows, groups)``; zeros give no number."""
    groups = (*weight.scales.shape, -1)
    given, wanted = weight.dequantize().reshape(groups), original.reshape(groups)
    energy = np.square(wanted).sum(axis=2)
    of_zeros = np.full(energy.shape, np.nan)
    gains: np.ndarray = np.divide(
        (given * wanted).sum(axis=2), energy, out=of_zeros, where=energy > 0
    )
    return gains


def _is_kept(gains: np.ndarray) -> np.ndarray:
    """Returns which gains are of rounding alone."""
    kept: np.ndarray = (gains >= LEAST_GAIN) & (gains <= 1 / LEAST_GAIN)
    return kept


def _rescaled(weight: QuantizedWeight, original: np.ndarray) -> QuantizedWeight:
    gains = np.nan_to_num(_gains(weight, original), nan=1.0)
    return replace(weight, scales=weight.scales / np.where(gains > 0, gains, 1.0))
