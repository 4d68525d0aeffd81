"""The audit: does a finished file hold what its precision promises?

It compares what is read back from the file with what the file was to store, and that with the
student's own weights: a converter that silently leaves a weight as it was, or stores another, is
found out here. Matrices are known by their contents, as every format has names of its own.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from converters.values.artifact import Artifact
from converters.values.errors import GateError
from converters.values.precision import Activations, Precision
from converters.weights.quantized import (
    MAX_ERROR_STEPS,
    ModelWeights,
    QuantizedWeight,
    StoredMatrix,
    error_steps,
)
from pipeline.conversion.matching import how_far, nearest_weight
from pipeline.conversion.recipe import Float, Integers, Recipe

_FLOATS: Mapping[Precision, tuple[str, ...]] = {"fp32": ("float32",), "fp16": ("float16",)}
"""In which formats a precision lets a matrix stay a float; it lets none at those not named."""

_NUM_TOLD = 3
"""Problems in one message."""


def check(
    artifact: Artifact,
    stored: Mapping[str, Sequence[StoredMatrix]],
    *,
    weights: ModelWeights,
    originals: Mapping[str, np.ndarray],
) -> None:
    """Checks that an artifact holds what its precision promises.

    Args:
        artifact: What was built.
        stored: What its file holds, for each of its functions.
        weights: What it was to store.
        originals: ``(rows, columns) float32`` of every matrix of the student, by name.

    Raises:
        GateError: It does not.
    """
    held = weights.with_fixed_outputs() if artifact.activations == "static" else weights
    problems = [
        *far_from_original(weights, originals),
        *find_problems(stored, weights=held, originals=originals),
    ]
    if problems:
        more = len(problems) - _NUM_TOLD
        raise GateError(
            f"the {artifact.precision} file for {artifact.backend} is not what it claims to be: "
            + "; ".join(problems[:_NUM_TOLD])
            + (f"; and {more} more" if more > 0 else ""),
            hint="leave the backend out, or store these weights in another format (--recipe)",
        )


def find_problems(
    stored: Mapping[str, Sequence[StoredMatrix]],
    *,
    weights: ModelWeights,
    originals: Mapping[str, np.ndarray],
) -> list[str]:
    """Returns in words where a file differs from what it was to hold.

    Args:
        stored: What it holds, for each of its functions.
        weights: What it was to hold.
        originals: ``(rows, columns) float32`` of every matrix of the student, by name.
    """
    if not stored:
        return ["it has no functions"]
    places: dict[str, list[str]] = {}
    for function, matrices in stored.items():
        for problem in _problems_of(matrices, weights, originals):
            places.setdefault(problem, []).append(function)
    return [
        problem if len(functions) == len(stored) else f"{problem} in {', '.join(functions)}"
        for problem, functions in places.items()
    ]


def far_from_original(weights: ModelWeights, originals: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Yields in words which integers are too far from the student's own weights."""
    for name, weight in weights.integers.items():
        steps = error_steps(weight, originals[name]).max()
        if not steps <= MAX_ERROR_STEPS:
            yield (
                f"{name} was rounded to values {steps:.3g} steps from the original, "
                f"expected {MAX_ERROR_STEPS:g} at most"
            )


def find_strangers(
    stored: Mapping[str, Sequence[StoredMatrix]],
    *,
    recipe: Recipe,
    originals: Mapping[str, np.ndarray],
) -> list[str]:
    """Returns in words which weights of a file are not the student's, rounded as a recipe says.

    Unlike ``find_problems`` it need not know the integers: a file that was made elsewhere, or long
    ago, is judged by the student alone.

    Args:
        stored: What the file holds, for each of its functions.
        recipe: What its weights are stored as.
        originals: ``(rows, columns) float32`` of every matrix of the student, by name.
    """
    return [
        f"{name} {problem}" + (f" in {function}" if len(stored) > 1 else "")
        for function, matrices in stored.items()
        for name, original in originals.items()
        if (problem := _how_strange(original, matrices, recipe.format_of(name), recipe.activations))
    ]


def _how_strange(
    original: np.ndarray,
    matrices: Sequence[StoredMatrix],
    form: Float | Integers,
    activations: Activations,
) -> str:
    """Returns in words how one weight in a function differs from the original; empty where not."""
    if form == "fp32" or form == "fp16":
        floats = [each.weight for each in matrices if isinstance(each.weight, np.ndarray)]
        is_row = not _is_matrix(original)  # the head of a regression
        is_there = any((is_row or _is_matrix(each)) and _holds(each, original) for each in floats)
        return "" if is_there else "is not in the file"
    bits = 8 if form == "int8" else 4
    candidates = [
        each.weight
        for each in matrices
        if isinstance(each.weight, QuantizedWeight) and each.weight.bits <= bits
    ]
    nearest = nearest_weight(original, candidates, is_static=activations == "static")
    if nearest is None:
        return f"is not in the file as integers of {bits} bits"
    return how_far(nearest, original)


def _problems_of(
    matrices: Sequence[StoredMatrix], weights: ModelWeights, originals: Mapping[str, np.ndarray]
) -> Iterator[str]:
    """Yields what is wrong with one function, the largest floats first."""
    integers = [each.weight for each in matrices if isinstance(each.weight, QuantizedWeight)]
    floats = [
        (each.name, each.weight)
        for each in matrices
        if not isinstance(each.weight, QuantizedWeight)
    ]
    told: set[str] = set()
    for stored_name, values in sorted(floats, key=lambda each: -each[1].nbytes):
        dtype = str(values.dtype)
        if _is_matrix(values) and dtype not in _FLOATS.get(weights.precision, ()):
            name = _name_of(values, weights, originals) or stored_name
            told.add(name)
            yield f"{name} stayed in {dtype}, {values.nbytes:,} bytes"
    for name, given in weights.integers.items():
        if name not in told and not any(is_same(each, given) for each in integers):
            yield f"{name} {_how_it_differs(given, integers, weights)}"
    for name, original in originals.items():
        is_float = name not in told and name not in weights.integers
        if is_float and not any(_holds(values, original) for _, values in floats):
            yield f"{name} is not in the file"


def is_same(stored: QuantizedWeight, given: QuantizedWeight) -> bool:
    """Returns whether a file holds a weight as given.

    Its scales may be rounded to the file's floats, where the smallest of all may stand for nothing;
    and integers that fit in fewer bits may be stored in them, as coremltools does.
    """
    floats = stored.scales.dtype
    least = np.finfo(floats).smallest_subnormal
    scales = given.scales.astype(floats), np.maximum(given.scales, least).astype(floats)
    return (
        stored.bits <= given.bits
        and any(np.array_equal(stored.scales, each) for each in scales)
        and np.array_equal(stored.values, given.values)
    )


def _how_it_differs(
    given: QuantizedWeight, stored: Sequence[QuantizedWeight], weights: ModelWeights
) -> str:
    """Returns in words what the file holds in place of a weight that is missing."""
    others = [
        each
        for each in stored
        if each.values.shape == given.values.shape
        and not any(is_same(each, other) for other in weights.integers.values())
    ]
    if not others:
        return "is not in the file"
    nearest = min(others, key=lambda each: float(np.mean(each.values != given.values)))
    if nearest.bits > given.bits:
        return f"is stored in {nearest.bits} bits instead of {given.bits}"
    if nearest.scales.shape != given.scales.shape:
        return f"has scales of shape {nearest.scales.shape} instead of {given.scales.shape}"
    errors = np.abs(nearest.dequantize().astype(np.float32) - given.dequantize())
    steps = errors.reshape(*given.scales.shape, -1).max(axis=2) / given.scales
    return f"is stored with values up to {steps.max():.2g} steps off"


def _name_of(
    values: np.ndarray, weights: ModelWeights, originals: Mapping[str, np.ndarray]
) -> str | None:
    """Returns the weight that a constant of floats is, rounded to integers before or not."""
    for name, original in originals.items():
        given = weights.integers.get(name)
        if _holds(values, original) or (given and _holds(values, given.dequantize())):
            return name
    return None


def _holds(stored: np.ndarray, original: np.ndarray) -> bool:
    """Returns whether a constant is a matrix, or its first rows, rounded to the file's floats."""
    if stored.shape[-1] != original.shape[-1]:
        return False
    rows = stored.reshape(-1, stored.shape[-1])
    # The first row alone tells most of them apart.
    return len(rows) <= len(original) and all(
        np.array_equal(rows[:count], original[:count].astype(stored.dtype))
        for count in (1, len(rows))
    )


def _is_matrix(values: np.ndarray) -> bool:
    return values.squeeze().ndim > 1
