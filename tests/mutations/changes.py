"""Other arrays in the place of some."""

import numpy as np

HEAD = 16
"""Rows of a query's weight that belong to one head."""


def shift_rows(values: np.ndarray) -> np.ndarray:
    """Every row in the place of the one before it."""
    return np.roll(values, -1, axis=0)


def exchange_heads(values: np.ndarray) -> np.ndarray:
    """The first head's rows in the place of the second's, and the other way round."""
    return np.concatenate([values[HEAD : 2 * HEAD], values[:HEAD], values[2 * HEAD :]])


def transpose(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.T)


def halve_one(scales: np.ndarray) -> np.ndarray:
    """The scale of one group, in the middle of the matrix."""
    scales[len(scales) // 2, -1] /= 2
    return scales


def flip_exponent_bit(values: np.ndarray) -> np.ndarray:
    """One weight, some 10^19 times as large or as small."""
    bits = values.view(np.uint32)
    bits[3, 5] ^= np.uint32(1 << 29)
    return bits.view(np.float32)


def overflow_one(values: np.ndarray) -> np.ndarray:
    """One weight as a conversion from 10^5 to halves leaves it."""
    with np.errstate(over="ignore"):
        values[3, 5] = np.float32(1e5).astype(np.float16)
    return values


def ones(values: np.ndarray) -> np.ndarray:
    return np.ones_like(values)


def zeros(values: np.ndarray) -> np.ndarray:
    return np.zeros_like(values)
