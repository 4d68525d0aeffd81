"""Weights as integers and scales: one arithmetic, which every backend stores in its own way.

A weight is ``values * scale``, with no offset, and one scale for each group of neighbouring
columns of a row. As all backends take the very same integers, their artifacts are one model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from converters.values.precision import Activations, Precision
from converters.weights.activations import LinearActivations
from converters.weights.rounding import damped, output_error, round_with_compensation, search_scales

RANGES = {8: (-127, 127), 4: (-8, 7)}
"""Least and largest integer, by bits. At eight bits -128 would gain nothing."""

SMALLEST_SCALE = 2.0**-14
"""The smallest normal float16."""

MAX_ERROR_STEPS = 1.5
"""Of a group of weights that share a scale: the root mean square of their distances from the
original, in steps of the scale that its largest weight asks for.

Rounding moves a weight by half a step at most, and by 0.29 steps in the root mean square. A smaller
scale that cuts off the largest weights is chosen because it makes this less. What chooses integers
together, so that their errors cancel, moves single weights by more than a step, but seldom all of
them. A scale that is twice what it should be, or a row in the place of another, makes three or
more.
"""


@dataclass(frozen=True, kw_only=True)
class QuantizedWeight:
    """A matrix of a linear layer or an embedding.

    Attributes:
        values: ``(rows, columns) int8``, within ``RANGES`` of its bits.
        scales: ``(rows, groups) float32``; columns divide evenly into the groups. As read from a
            file, in the float format that the file keeps them in.
        bits: 8 or 4.
    """

    values: np.ndarray
    scales: np.ndarray
    bits: int

    def __post_init__(self) -> None:
        """Checks that it is a matrix, which the scales fit.

        Raises:
            ValueError: It is none, or they do not: what was read is damaged.
        """
        if self.values.ndim < 2:
            raise ValueError(f"values of shape {self.values.shape} are no matrix")
        sizes = zip(self.values.shape, self.scales.shape, strict=False)
        if self.values.ndim == 2 and any(num == 0 or size % num for size, num in sizes):
            raise ValueError(
                f"scales of shape {self.scales.shape} for values of {self.values.shape}"
            )

    @property
    def group_size(self) -> int:
        """Columns that share a scale; all of a row where there is one group."""
        return int(self.values.shape[1] // self.scales.shape[1])

    def dequantize(self) -> np.ndarray:
        """Returns ``(rows, columns) float32``, what an artifact computes with."""
        dequantized: np.ndarray = self.values * np.repeat(self.scales, self.group_size, axis=1)
        return dequantized


StoredWeight = QuantizedWeight | np.ndarray
"""What an artifact stores a matrix as: integers with scales, or floats."""


@dataclass(frozen=True, kw_only=True)
class StoredMatrix:
    """A constant of two or more dimensions, as a finished file holds it.

    Attributes:
        name: As the file calls it.
    """

    name: str
    weight: StoredWeight


@dataclass(frozen=True, kw_only=True)
class ModelWeights:
    """What an artifact stores as the weights of its model, and how it rounds what they multiply.

    Attributes:
        precision: The name that the artifact goes by.
        integers: Matrices of linear layers and embeddings, by their names in the state dict. What
            is not named here stays a float: all at ``fp32`` and ``fp16``, else norms and biases.
        activations: Of linear layers of eight bits, by the name of the weight, for the runtimes
            that multiply integers. The inputs of the others are quantized on the fly.
    """

    precision: Precision
    integers: Mapping[str, QuantizedWeight] = field(default_factory=dict)
    activations: Mapping[str, LinearActivations] = field(default_factory=dict)

    @property
    def kind_of_activations(self) -> Activations:
        """Whether they are fixed."""
        return "static" if self.activations else "dynamic"

    def with_fixed_outputs(self) -> "ModelWeights":
        """Returns what files with fixed activations hold: scales in units of the output."""
        divided = {
            name: replace(self.integers[name], scales=each.divide(self.integers[name].scales))
            for name, each in self.activations.items()
        }
        return replace(self, integers={**self.integers, **divided})


def quantize(
    weight: np.ndarray,
    *,
    bits: int,
    group_size: int | None = None,
    second_moment: np.ndarray | None = None,
) -> QuantizedWeight:
    """Rounds a weight to integers with scales.

    Scales of four bits are rounded to bfloat16, in which ExecuTorch's kernels keep them, and are at
    least ``SMALLEST_SCALE``, so that they are exact in the float16 of TFLite and Core ML, too. A
    group of zeros gets the scale one.

    Args:
        weight: ``(rows, columns) float32``.
        bits: 8 or 4.
        group_size: Columns that share a scale; None means all of a row.
        second_moment: ``(columns, columns)``, the mean of the outer products of the weight's
            inputs. Without it a group's largest value decides its scale, and each integer is the
            nearest. With it scales and integers are chosen for what the layer computes; rows that
            would not gain by it, or stray more than ``MAX_ERROR_STEPS``, stay as without.
    """
    plain = _to_nearest(weight, bits=bits, group_size=group_size or weight.shape[1])
    if second_moment is None:
        return plain
    moment = damped(second_moment)
    calibrated = _to_least_error(weight, bits=bits, group_size=plain.group_size, moment=moment)
    losses = [
        output_error(weight - each.dequantize(), moment=moment) for each in (calibrated, plain)
    ]
    strays = error_steps(calibrated, weight).max(axis=1) > MAX_ERROR_STEPS
    is_better = ((losses[0] < losses[1]) & ~strays)[:, None]  # (rows, 1)
    return QuantizedWeight(
        values=np.where(is_better, calibrated.values, plain.values),
        scales=np.where(is_better, calibrated.scales, plain.scales),
        bits=bits,
    )


def _to_nearest(weight: np.ndarray, *, bits: int, group_size: int) -> QuantizedWeight:
    """Returns the nearest integers, by scales that hold each group's largest value."""
    least, largest = RANGES[bits]
    grouped = weight.reshape(len(weight), -1, group_size)
    scales = _storable(np.abs(grouped).max(axis=2) / largest, bits=bits)  # (rows, groups)
    values = np.round(grouped / scales[:, :, None]).clip(least, largest)
    return QuantizedWeight(
        values=values.reshape(weight.shape).astype(np.int8), scales=scales, bits=bits
    )


def _to_least_error(
    weight: np.ndarray, *, bits: int, group_size: int, moment: np.ndarray
) -> QuantizedWeight:
    """Returns integers and scales at which what the layer computes changes little."""
    least, largest = RANGES[bits]
    grouped = weight.reshape(len(weight), -1, group_size)
    importance = np.diag(moment).reshape(grouped.shape[1:])
    found = search_scales(grouped, least=least, largest=largest, importance=importance)
    scales = _storable(found, bits=bits)
    values = round_with_compensation(
        weight, np.repeat(scales, group_size, axis=1), least=least, largest=largest, moment=moment
    )
    return QuantizedWeight(values=values, scales=scales, bits=bits)


def error_steps(weight: QuantizedWeight, original: np.ndarray) -> np.ndarray:
    """Returns how far each group is from its original, as ``MAX_ERROR_STEPS`` counts it.

    Args:
        weight: The integers.
        original: ``(rows, columns) float32``.

    Returns:
        ``(rows, groups)``; a group of zeros that are no longer zero is infinitely far.
    """
    groups = (*weight.scales.shape, -1)
    errors = (weight.dequantize() - original).reshape(groups)  # (rows, groups, columns of a group)
    distances = np.sqrt(np.square(errors).mean(axis=2))
    steps = np.abs(original.reshape(groups)).max(axis=2) / RANGES[weight.bits][1]
    if weight.bits == 4:
        steps = np.maximum(steps, SMALLEST_SCALE)
    of_zeros = np.where(distances == 0, 0.0, np.inf)
    in_steps: np.ndarray = np.divide(distances, steps, out=of_zeros, where=steps > 0)
    return in_steps


def _storable(scales: np.ndarray, *, bits: int) -> np.ndarray:
    """Returns the nearest scales that all backends can store, as float32; one in place of zero."""
    positive = np.where(scales > 0, scales, 1.0).astype(np.float32)
    return _to_bfloat16(np.maximum(positive, SMALLEST_SCALE)) if bits == 4 else positive


def _to_bfloat16(values: np.ndarray) -> np.ndarray:
    """Returns the nearest bfloat16 numbers, ties to even, as float32."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return (rounded & np.uint32(0xFFFF0000)).astype(np.uint32).view(np.float32)
