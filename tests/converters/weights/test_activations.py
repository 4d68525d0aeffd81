"""Fixed scales of int8 hold all that a layer took and gave, and no more."""

import numpy as np
import pytest

from converters.weights.activations import HIGHEST, LOWEST, linear_activations


def activations(lowest: float, highest: float):
    return linear_activations(
        lowest=lowest, highest=highest, largest_outputs=np.ones(1, np.float32)
    )


@pytest.mark.parametrize(("lowest", "highest"), [
    (-1.0, 2.0), (0.0, 6.0), (-3.0, 0.0), (-0.17, 2.8), (-1e-3, 1e4), (-2.55, 2.55),
])  # fmt: skip
def test_input_integers_reach_from_the_lowest_to_the_highest_value(
    lowest: float, highest: float
) -> None:
    found = activations(lowest, highest)
    reach = [(each - found.input_zero_point) * found.input_scale for each in (LOWEST, HIGHEST)]
    assert reach == pytest.approx([lowest, highest], abs=found.input_scale / 2 * 1.001)
    assert reach[1] - reach[0] == pytest.approx(highest - lowest)
    assert LOWEST <= found.input_zero_point <= HIGHEST


@pytest.mark.parametrize(("lowest", "highest", "zero_point"), [
    (1.0, 2.0, LOWEST), (-2.0, -1.0, HIGHEST), (0.0, 0.0, LOWEST),
])  # fmt: skip
def test_zero_is_an_integer_though_the_layer_never_took_it(
    lowest: float, highest: float, zero_point: int
) -> None:
    found = activations(lowest, highest)
    assert found.input_zero_point == zero_point
    assert found.input_scale > 0


def test_output_scales_are_each_channels_own() -> None:
    largest = np.array([127, 2.54, 0, 1e-3], np.float32)
    found = linear_activations(lowest=-1, highest=1, largest_outputs=largest)
    assert found.output_scales.dtype == np.float32
    assert found.output_scales == pytest.approx([1, 0.02, 1, 1e-3 / 127])
    bias = np.array([127, 2.54, 3, 0], np.float32)
    assert found.divide(bias) == pytest.approx([127, 127, 3, 0])
    scales = found.divide(bias[:, None])
    assert scales.shape == (4, 1)
    assert scales[:, 0] == pytest.approx([127, 127, 3, 0])
