from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.weights.quantized import RANGES, SMALLEST_SCALE, QuantizedWeight, quantize
from converters.weights.rounding import damped

ROWS, COLUMNS = 12, 128
FORMATS = [(4, 32), (4, 64), (4, None), (8, None)]

Layer = tuple[np.ndarray, np.ndarray]
"""A weight, and the second moment of its inputs."""


def correlated(seed: int, *, tokens: int = 400) -> Layer:
    """Inputs that a few directions decide, with a mean, and outliers in some columns."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(tokens, 9)) @ rng.normal(size=(9, COLUMNS))
    inputs += 0.2 * rng.normal(size=inputs.shape) + rng.normal(size=COLUMNS)
    inputs *= np.exp(rng.normal(size=COLUMNS))
    weight = rng.standard_t(4, size=(ROWS, COLUMNS)).astype(np.float32) * 0.05
    return weight, inputs.T @ inputs / tokens


def output_error(weight: np.ndarray, rounded: QuantizedWeight, moment: np.ndarray) -> np.ndarray:
    """Returns the expected squared error of each row's output, ``(rows,)``."""
    errors = (weight - rounded.dequantize()).astype(np.float64)
    error: np.ndarray = np.einsum("rc,cd,rd->r", errors, moment, errors)
    return error


def is_bfloat16(values: np.ndarray) -> bool:
    return not np.any(values.astype(np.float32).view(np.uint32) & 0xFFFF)


def without_inputs(layer: Layer) -> Layer:
    return layer[0], np.zeros_like(layer[1])


def with_dead_inputs(layer: Layer) -> Layer:
    moment = layer[1].copy()
    moment[::3] = moment[:, ::3] = 0
    return layer[0], moment


def with_one_token(layer: Layer) -> Layer:
    token = np.random.default_rng(0).normal(size=COLUMNS)
    return layer[0], np.outer(token, token)


def with_zeros(layer: Layer) -> Layer:
    weight = layer[0].copy()
    weight[0], weight[:, :32] = 0, 0
    return weight, layer[1]


def with_constant_columns(layer: Layer) -> Layer:
    weight = layer[0].copy()
    weight[:, 32:96] = 0.25
    return weight, layer[1]


def with_tiny_values(layer: Layer) -> Layer:
    return layer[0] * np.float32(1e-30), layer[1]


def with_huge_inputs(layer: Layer) -> Layer:
    return layer[0], layer[1] * 1e12


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), format_=st.sampled_from(FORMATS))
def test_no_calibrated_row_changes_outputs_more_than_a_plain_one(
    seed: int, format_: tuple[int, int | None]
) -> None:
    weight, moment = correlated(seed)
    bits, group_size = format_

    plain = quantize(weight, bits=bits, group_size=group_size)
    calibrated = quantize(weight, bits=bits, group_size=group_size, second_moment=moment)

    before, after = (output_error(weight, each, damped(moment)) for each in (plain, calibrated))
    assert np.all(after <= before * (1 + 1e-6))


@pytest.mark.parametrize(("bits", "group_size"), FORMATS)
def test_calibrated_weights_change_outputs_on_other_tokens_less(
    bits: int, group_size: int | None
) -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(9, COLUMNS))
    seen, unseen = (
        rng.normal(size=(400, 9)) @ mixing + 0.2 * rng.normal(size=(400, COLUMNS)) for _ in "ab"
    )
    weight = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)

    plain = quantize(weight, bits=bits, group_size=group_size)
    calibrated = quantize(
        weight, bits=bits, group_size=group_size, second_moment=seen.T @ seen / len(seen)
    )

    before, after = (
        np.square(unseen @ (weight - each.dequantize()).T).sum() for each in (plain, calibrated)
    )
    assert after < 0.5 * before


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    spoil=st.sampled_from(
        [
            without_inputs,
            with_dead_inputs,
            with_one_token,
            with_zeros,
            with_constant_columns,
            with_tiny_values,
            with_huge_inputs,
        ]
    ),
    format_=st.sampled_from(FORMATS),
)
def test_odd_layers_give_integers_and_scales_that_all_backends_hold(
    seed: int, spoil: Callable[[Layer], Layer], format_: tuple[int, int | None]
) -> None:
    weight, moment = spoil(correlated(seed))
    bits, group_size = format_

    rounded = quantize(weight, bits=bits, group_size=group_size, second_moment=moment)

    assert rounded.values.shape == weight.shape
    assert rounded.values.dtype == np.int8
    assert rounded.values.min() >= RANGES[bits][0]
    assert rounded.values.max() <= RANGES[bits][1]
    assert rounded.scales.shape == (ROWS, COLUMNS // (group_size or COLUMNS))
    assert rounded.scales.dtype == np.float32
    assert np.isfinite(rounded.scales).all()
    assert np.all(rounded.scales > 0)
    if bits == 4:
        assert is_bfloat16(rounded.scales)
        assert np.all(rounded.scales >= SMALLEST_SCALE)
        assert np.array_equal(rounded.scales.astype(np.float16), rounded.scales)


@pytest.mark.parametrize(("bits", "group_size"), FORMATS)
def test_without_inputs_each_integer_is_the_nearest_and_the_largest_value_sets_the_scale(
    bits: int, group_size: int | None
) -> None:
    weight, _ = correlated(2)
    least, largest = RANGES[bits]

    rounded = quantize(weight, bits=bits, group_size=group_size)

    reach = np.abs(weight).reshape(ROWS, -1, rounded.group_size).max(axis=2)
    assert np.allclose(rounded.scales, reach / largest, rtol=2.0**-8 if bits == 4 else 1e-6)
    exact = weight.astype(np.float64) / np.repeat(rounded.scales, rounded.group_size, axis=1)
    assert np.abs(rounded.values - exact.clip(least, largest)).max() <= 0.5


def test_scales_of_four_bits_are_rounded_as_pytorch_rounds_to_bfloat16() -> None:
    """Halfway cases among them, which go to the even neighbour."""
    wanted = np.linspace(1, 1.5, 129, dtype=np.float32)  # bfloat16 has every other one
    weight = np.zeros((len(wanted), 32), np.float32)
    weight[:, 0] = 7 * wanted

    rounded = quantize(weight, bits=4)

    expected = torch.from_numpy(wanted).bfloat16().float().numpy()
    assert np.array_equal(rounded.scales[:, 0], expected)


@pytest.mark.parametrize(("bits", "group_size"), FORMATS)
def test_calibrated_zeros_stay_zeros(bits: int, group_size: int | None) -> None:
    _, moment = correlated(0)
    weight = np.zeros((ROWS, COLUMNS), np.float32)

    rounded = quantize(weight, bits=bits, group_size=group_size, second_moment=moment)

    assert not rounded.values.any()
    assert np.all(rounded.scales == 1)


def test_a_weight_on_the_grid_comes_back_exactly() -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(-7, 8, size=(ROWS, COLUMNS)).astype(np.int8)
    values[:, ::32] = 7
    weight = values * np.float32(2.0**-5)

    rounded = quantize(weight, bits=4, group_size=32, second_moment=correlated(3)[1])

    assert np.array_equal(rounded.values, values)
    assert np.array_equal(rounded.dequantize(), weight)


def test_inputs_that_do_not_correlate_leave_nothing_to_make_good() -> None:
    weight, _ = correlated(1)

    rounded = quantize(weight, bits=4, group_size=32, second_moment=np.eye(COLUMNS))

    steps = np.repeat(rounded.scales, rounded.group_size, axis=1)
    assert np.array_equal(rounded.values, np.round(weight / steps).clip(-8, 7))


def test_two_equal_inputs_share_their_rounding_error() -> None:
    """What the layer computes then depends on the sum of the two weights alone."""
    token = np.ones(2)
    weight = np.array([[0.4, 0.4, 7.0, 0.0]], np.float32)
    moment = np.zeros((4, 4))
    moment[:2, :2] = np.outer(token, token)
    moment[2, 2] = moment[3, 3] = 1

    plain = quantize(weight, bits=4)
    calibrated = quantize(weight, bits=4, second_moment=moment)

    assert plain.values.tolist() == [[0, 0, 7, 0]]
    assert sorted(calibrated.values[0, :2].tolist()) == [0, 1]


def test_calibrated_rounding_repeats_itself() -> None:
    weight, moment = correlated(5)

    one, other = (quantize(weight, bits=4, group_size=32, second_moment=moment) for _ in range(2))

    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.scales, other.scales)
