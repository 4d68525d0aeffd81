"""Weights as integers and scales: one arithmetic, which every backend stores in its own way.

A weight is ``values * scale``, symmetric around zero, with one scale for each group of neighbouring
columns of a row. As all backends take the very same integers, their artifacts are one model.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from converters.rounding import round_with_compensation, search_scales
from pipeline.recipe import Format, Recipe

LARGEST = {8: 127, 4: 7}
"""By bits. Symmetric, so that the zero point is zero and negating a weight is exact."""

_BITS: dict[Format, int] = {"int8": 8, "int4": 4}

SMALLEST_SCALE = 2.0**-14
"""The smallest normal float16."""


@dataclass(frozen=True, kw_only=True)
class QuantizedWeight:
    """A matrix of a linear layer or an embedding.

    Attributes:
        values: ``(rows, columns) int8``, within ``LARGEST`` of its bits.
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
            inputs. With it the scales and the integers are those that change the products least,
            where without it a group's largest value decides its scale, and each integer is the
            nearest.
    """
    rows, columns = weight.shape
    largest = LARGEST[bits]
    grouped = weight.reshape(rows, -1, group_size or columns)  # (rows, groups, group)
    if second_moment is None:
        scales = np.abs(grouped).max(axis=2) / largest
    else:
        importance = np.diag(second_moment).reshape(grouped.shape[1:])
        scales = search_scales(grouped, largest=largest, importance=importance)
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    if bits == 4:
        scales = _to_bfloat16(np.maximum(scales, SMALLEST_SCALE))
    steps = np.repeat(scales, grouped.shape[2], axis=1)  # (rows, columns)
    if second_moment is None:
        values = np.round(weight / steps).clip(-largest, largest).astype(np.int8)
    else:
        values = round_with_compensation(
            weight, steps, largest=largest, second_moment=second_moment
        )
    return QuantizedWeight(values=values, scales=scales, bits=bits)


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
