"""Integers of a file are told from those of another weight, and from badly scaled ones."""

import re
from dataclasses import replace

import numpy as np
import pytest

from converters.weights.quantized import QuantizedWeight, StoredMatrix, quantize
from pipeline.conversion.matching import find_integers, how_far, nearest_weight

ROWS, COLUMNS, GROUP = 6, 64, 32


def make_weight(seed: int) -> np.ndarray:
    """Returns small values, with a large one in each group, which alone decides its scale."""
    weight = np.random.default_rng(seed).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    weight[:, ::GROUP] = 14
    return weight


def scaled(weight: QuantizedWeight, factor: float) -> QuantizedWeight:
    """Returns a weight of which one group, the last of the last row, is scaled."""
    scales = weight.scales.copy()
    scales[-1, -1] *= factor
    return replace(weight, scales=scales)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_one_group_of_half_or_twice_its_scale_is_found_out(bits: int, factor: float) -> None:
    weight = make_weight(0)
    stored = quantize(weight, bits=bits, group_size=GROUP if bits == 4 else None)
    assert how_far(stored, weight) == ""
    told = how_far(scaled(stored, factor), weight)
    if bits == 4:  # in steps that large its errors are no larger than rounding's
        found = re.fullmatch("has a scale that makes its values (.+) times the original", told)
        assert found is not None
        assert float(found[1]) == pytest.approx(factor, rel=0.05)
    else:
        assert told.startswith("is stored with values ")


def test_scale_that_a_choice_for_least_error_would_take_is_none_too_small() -> None:
    weight = make_weight(0)
    stored = quantize(weight, bits=4, group_size=GROUP)
    for factor in (0.75, 1.3):
        assert how_far(scaled(stored, factor), weight) == ""


def test_large_weight_that_is_cut_off_is_no_wrong_scale() -> None:
    """As a choice for the least error of an output does, where no text makes use of that weight."""
    weight = make_weight(0)
    weight[:, ::GROUP] = 9
    scales = np.full((ROWS, COLUMNS // GROUP), 0.5, np.float32)
    values = np.clip(np.round(weight / 0.5), -8, 7).astype(np.int8)
    cut = QuantizedWeight(values=values, scales=scales, bits=4)
    assert how_far(cut, weight) == ""
    assert how_far(scaled(cut, 0.5), weight).startswith("has a scale that makes its values 0.2")


def test_each_weight_is_found_among_the_integers_of_others() -> None:
    originals = {name: make_weight(seed) for seed, name in enumerate(("query", "key", "absent"))}
    held = {name: quantize(originals[name], bits=8) for name in ("key", "query")}
    stored = [StoredMatrix(name="constant", weight=each) for each in held.values()]
    found = find_integers(stored, originals, is_static=False)
    assert {name: each.values.tolist() for name, each in found.items()} == {
        name: each.values.tolist() for name, each in held.items()
    }


def test_scales_in_units_of_each_output_are_brought_back_to_the_weight() -> None:
    weight = make_weight(0)
    stored = quantize(weight, bits=8)
    units = np.linspace(0.1, 10, ROWS, dtype=np.float32)[:, None]
    divided = replace(stored, scales=stored.scales / units)
    nearest = nearest_weight(weight, [divided], is_static=True)
    assert nearest is not None
    assert how_far(nearest, weight) == ""
    assert np.allclose(nearest.scales, stored.scales, rtol=0.01)
