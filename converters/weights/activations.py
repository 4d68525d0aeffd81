"""Static int8 activations: fixed scales around a linear layer, the same in every backend.

A runtime that multiplies integers by integers rounds the result to int8 as well. One scale for all
channels of it would lose most of them beside the few that are large. So each channel has its own:
it is divided out of the scales of the weight and out of the bias, the layer yields whole numbers,
and one multiplication behind it brings the scales back. The integers of the weight stay as they
are.
"""

from dataclasses import dataclass

import numpy as np

LOWEST, HIGHEST = -128, 127


@dataclass(frozen=True, kw_only=True)
class LinearActivations:
    """How the input and the output of a linear layer are rounded to int8.

    Attributes:
        input_scale: Of ``(values - input_zero_point) * input_scale``; exact in float32.
        input_zero_point: From ``LOWEST`` to ``HIGHEST``.
        output_scales: ``(rows,) float32``, one a channel; their zero points are zero.
    """

    input_scale: float
    input_zero_point: int
    output_scales: np.ndarray

    def divide(self, values: np.ndarray) -> np.ndarray:
        """Returns the scales of a weight, or a bias, in units of the output.

        Args:
            values: ``(rows, 1)`` or ``(rows,) float32``.
        """
        divided: np.ndarray = values / self.output_scales.reshape(values.shape)
        return divided


def linear_activations(
    *, lowest: float, highest: float, largest_outputs: np.ndarray
) -> LinearActivations:
    """Returns the scales that just hold what a layer took and gave.

    Args:
        lowest: Of all its inputs.
        highest: Of all its inputs.
        largest_outputs: ``(rows,) float32``, the largest magnitude of each channel.
    """
    # Zero is exact, for padding and for what a layer before cut off.
    lowest, highest = min(lowest, 0.0), max(highest, 0.0)
    scale = np.float32((highest - lowest) / (HIGHEST - LOWEST) or 1.0)
    return LinearActivations(
        input_scale=float(scale),
        input_zero_point=int(np.clip(round(LOWEST - lowest / float(scale)), LOWEST, HIGHEST)),
        output_scales=np.where(largest_outputs > 0, largest_outputs / HIGHEST, 1.0).astype(
            np.float32
        ),
    )
