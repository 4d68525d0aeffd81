"""Weights as integers and scales: one arithmetic, which every backend stores in its own way.

A weight is ``values * scale``, with no offset, and one scale for each group of neighbouring
columns of a row. As all backends take the very same integers, their artifacts are one model.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from converters.rounding import (
    damped,
    output_error,
    round_with_compensation,
    search_scales,
)
from pipeline.recipe import Format, Recipe

RANGES = {8: (-127, 127), 4: (-8, 7)}
"""Least and largest integer, by bits. At eight bits -128 would gain nothing."""

_BITS: dict[Format, int] = {"int8": 8, "int4": 4}

SMALLEST_SCALE = 2.0**-14
"""The smallest normal float16."""


@dataclass(frozen=True, kw_only=True)
class QuantizedWeight:
    """A matrix of a linear layer or an embedding.

    Attributes:
        values: ``(rows, columns) int8``, within ``RANGES`` of its bits.
        scales: ``(rows, groups) float32``; columns divide evenly into the groups.
        bits: 8 or 4.
    """

    values: np.ndarray
    scales: np.ndarray
    bits: int

    @property
    def group_size(self) -> int:
        """Columns that share a scale; all of a row where there is one group."""
        return int(self.values.shape[1] // self.scales.shape[1])

    def dequantize(self) -> np.ndarray:
        """Returns ``(rows, columns) float32``, what an artifact computes with."""
        dequantized: np.ndarray = self.values * np.repeat(self.scales, self.group_size, axis=1)
        return dequantized


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
        group_size: Columns that share a scale; nothing: all of a row.
        second_moment: ``(columns, columns)``, the mean of the outer products of the weight's
            inputs. Without it a group's largest value decides its scale, and each integer is the
            nearest. With it scales and integers are chosen for what the layer computes, and no row
            then has a larger expected error, the damping counted in.
    """
    least, largest = RANGES[bits]
    grouped = weight.reshape(len(weight), -1, group_size or weight.shape[1])
    plain_scales = _storable(np.abs(grouped).max(axis=2) / largest, bits=bits)  # (rows, groups)
    plain_values = np.round(grouped / plain_scales[:, :, None]).clip(least, largest)
    plain = QuantizedWeight(
        values=plain_values.reshape(weight.shape).astype(np.int8), scales=plain_scales, bits=bits
    )
    if second_moment is None:
        return plain
    moment = damped(second_moment)
    importance = np.diag(moment).reshape(grouped.shape[1:])
    found = search_scales(grouped, least=least, largest=largest, importance=importance)
    scales = _storable(found, bits=bits)
    values = round_with_compensation(
        weight,
        np.repeat(scales, grouped.shape[2], axis=1),
        least=least,
        largest=largest,
        moment=moment,
    )
    calibrated = QuantizedWeight(values=values, scales=scales, bits=bits)
    return _better_rows(weight, calibrated, plain, moment=moment)


def _storable(scales: np.ndarray, *, bits: int) -> np.ndarray:
    """Returns the nearest scales that all backends can store, as float32; one in place of zero."""
    positive = np.where(scales > 0, scales, 1.0).astype(np.float32)
    return _to_bfloat16(np.maximum(positive, SMALLEST_SCALE)) if bits == 4 else positive


def _better_rows(
    weight: np.ndarray, one: QuantizedWeight, other: QuantizedWeight, *, moment: np.ndarray
) -> QuantizedWeight:
    """Returns for each row whichever changes less what it computes."""
    losses = [output_error(weight - each.dequantize(), moment=moment) for each in (one, other)]
    is_better = (losses[0] < losses[1])[:, None]  # (rows, 1)
    return QuantizedWeight(
        values=np.where(is_better, one.values, other.values),
        scales=np.where(is_better, one.scales, other.scales),
        bits=one.bits,
    )


def quantize_all(
    originals: Mapping[str, np.ndarray],
    recipe: Recipe,
    *,
    second_moments: Mapping[str, np.ndarray] | None = None,
) -> dict[str, QuantizedWeight]:
    """Returns those weights that a recipe wants as integers, by name.

    Args:
        originals: ``(rows, columns) float32`` by name in the state dict.
        recipe: Says the bits of each; a row that groups do not divide evenly is one group.
        second_moments: Of the inputs of linear layers, ``(columns, columns)`` by the weight's name.
            Weights of four bits that are named here are rounded by them; eight bits lose too little
            for that to matter.
    """
    quantized = {}
    for name, weight in originals.items():
        bits = _BITS.get(recipe.format_of(name))
        if bits is None:
            continue
        is_even = weight.shape[1] % recipe.group_size == 0
        quantized[name] = quantize(
            weight,
            bits=bits,
            group_size=recipe.group_size if bits == 4 and is_even else None,
            second_moment=(second_moments or {}).get(name) if bits == 4 else None,
        )
    return quantized


def _to_bfloat16(values: np.ndarray) -> np.ndarray:
    """Returns the nearest bfloat16 numbers, ties to even, as float32."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return (rounded & np.uint32(0xFFFF0000)).astype(np.uint32).view(np.float32)
