"""What the audit says of matrices; ``tests/converters/test_audit.py`` shows it real files."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from converters.values.artifact import Artifact
from converters.values.errors import GateError
from converters.values.precision import FIXED_PRECISIONS, FixedPrecision
from converters.weights.quantized import (
    MAX_ERROR_STEPS,
    ModelWeights,
    QuantizedWeight,
    StoredMatrix,
    StoredWeight,
    error_steps,
    quantize,
)
from pipeline.conversion.audit import check, far_from_original, find_problems, find_strangers
from pipeline.conversion.matching import find_integers
from pipeline.conversion.recipe import recipe_of

ROWS, COLUMNS = 24, 64
NAMES = ("words", "query", "key")


def originals() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.normal(size=(ROWS, COLUMNS)).astype(np.float32) for name in NAMES}


def weights_of(precision: FixedPrecision) -> ModelWeights:
    form = {"bits": 4, "group_size": 32} if precision == "int4" else {"bits": 8}
    integers = {name: quantize(each, **form) for name, each in originals().items()}
    is_float = precision.startswith("fp")
    return ModelWeights(precision=precision, integers={} if is_float else integers)


def problems_of(
    held: Mapping[str, StoredWeight],
    precision: FixedPrecision,
    **others: Mapping[str, StoredWeight],
) -> list[str]:
    """Audits a file whose function ``main`` holds some weights, under names of its own."""
    stored = {
        function: [StoredMatrix(name=f"stored_{name}", weight=each) for name, each in found.items()]
        for function, found in {"main": held, **others}.items()
    }
    return find_problems(stored, weights=weights_of(precision), originals=originals())


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_file_that_holds_its_weights_has_no_problems(precision: FixedPrecision) -> None:
    held = dict(weights_of(precision).integers)
    bias: StoredWeight = np.ones((1, 1, COLUMNS), np.float32)
    assert problems_of({**held, "bias": bias}, precision, other=held) == []


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", np.float32), ("fp16", np.float16)])
def test_file_of_floats_holds_them_rounded_once(precision: FixedPrecision, dtype: type) -> None:
    held = {name: each.astype(dtype) for name, each in originals().items()}
    held["words"] = held["words"][None, :8]  # what a converter keeps for a short length
    assert problems_of(held, precision) == []
    held["query"] = held["query"] * dtype(1.01)
    assert problems_of(held, precision) == ["query is not in the file"]


@pytest.mark.parametrize(
    ("floats", "told"),
    [
        (lambda original, given: original, "float32, 6,144 bytes"),
        (lambda original, given: original[:5], "float32, 1,280 bytes"),
        (lambda original, given: original.astype(np.float16), "float16, 3,072 bytes"),
        (lambda original, given: given.dequantize().astype(np.float16), "float16, 3,072 bytes"),
    ],
    ids=["whole", "first rows", "halves", "rounded to integers before"],
)
def test_matrix_that_stayed_a_float_is_named_with_its_bytes(floats, told) -> None:
    given = weights_of("int8").integers
    held = {**given, "words": floats(originals()["words"], given["words"])}
    assert problems_of(held, "int8") == [f"words stayed in {told}"]


def test_float_beside_its_integers_is_a_problem() -> None:
    given = weights_of("int8").integers
    held = {**given, "another": originals()["words"]}
    assert problems_of(held, "int8") == ["words stayed in float32, 6,144 bytes"]


def test_float_of_no_weight_goes_by_the_name_in_the_file() -> None:
    held = {**weights_of("int8").integers, "table": np.eye(4, dtype=np.float32)}
    assert problems_of(held, "int8") == ["stored_table stayed in float32, 64 bytes"]


def test_fp32_matrix_in_an_fp16_file_is_a_problem() -> None:
    held = {name: each.astype(np.float16) for name, each in originals().items()}
    held["key"] = originals()["key"]
    assert problems_of(held, "fp16") == ["key stayed in float32, 6,144 bytes"]


def test_weight_that_one_function_lacks_names_the_function() -> None:
    whole = dict(weights_of("int8").integers)
    short = {name: each for name, each in whole.items() if name != "key"}
    assert problems_of(whole, "int8", len_64=short) == ["key is not in the file in len_64"]


def test_file_without_functions_is_a_problem() -> None:
    assert find_problems({}, weights=weights_of("int8"), originals=originals())


def changed_integer(weight: QuantizedWeight) -> QuantizedWeight:
    values = weight.values.copy()
    values[3, 5] += -2 if values[3, 5] > 0 else 2
    return replace(weight, values=values)


def changed_scale(weight: QuantizedWeight) -> QuantizedWeight:
    scales = weight.scales.copy()
    scales[3, 0] *= 1.5
    return replace(weight, scales=scales)


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed_integer, "query is stored with values up to 2 steps off"),
        (changed_scale, "query is stored with values up to .* steps off"),
        (lambda weight: replace(weight, bits=16), "query is stored in 16 bits instead of"),
        (
            lambda weight: replace(weight, scales=np.repeat(weight.scales, 2, axis=1)),
            "query has scales of shape",
        ),
    ],
    ids=["integer", "scale", "bits", "groups"],
)
def test_weight_that_is_not_as_given_is_told(precision, change, told) -> None:
    held = dict(weights_of(precision).integers)
    held["query"] = change(held["query"])
    (problem,) = problems_of(held, precision)
    assert re.match(told, problem)


def test_scales_may_be_rounded_to_the_floats_of_the_file() -> None:
    given = weights_of("int8").integers
    held = {
        name: replace(each, scales=each.scales.astype(np.float16)) for name, each in given.items()
    }
    assert problems_of(held, "int8") == []


# How far integers may be from the original ------------------------------------------------------


@pytest.mark.parametrize("form", [{"bits": 8}, {"bits": 4}, {"bits": 4, "group_size": 32}])
def test_rounding_is_within_half_a_step(form: dict[str, int]) -> None:
    original = originals()["query"]
    original[0] = 0
    original[1, 1:] = 0
    original[2] = 1e-9
    assert error_steps(quantize(original, **form), original).max() < 0.5


def scaled(factor: float) -> QuantizedWeight:
    """Returns integers for ``query`` with scales other than those of its largest weights."""
    original = originals()["query"]
    plain = quantize(original, bits=4, group_size=32)
    scales = plain.scales * np.float32(factor)
    groups = original.reshape(*scales.shape, -1) / scales[:, :, None]
    values = groups.round().clip(-7, 7).astype(np.int8).reshape(original.shape)
    return replace(plain, values=values, scales=scales)


def test_scales_that_cut_off_the_largest_weights_are_within_a_step() -> None:
    assert error_steps(scaled(0.7), originals()["query"]).max() < MAX_ERROR_STEPS


def test_integers_that_move_a_step_here_and_there_are_within_a_step() -> None:
    weight = quantize(originals()["query"], bits=4, group_size=32)
    moves = np.random.default_rng(1).choice([-1, 0, 0, 0, 1], size=weight.values.shape)
    values = (weight.values + moves).clip(-7, 7).astype(np.int8)
    assert error_steps(replace(weight, values=values), originals()["query"]).max() < MAX_ERROR_STEPS


@pytest.mark.parametrize(
    "given",
    [
        scaled(0.2),
        replace(scaled(1), scales=scaled(1).scales * 2),
        replace(scaled(1), values=scaled(1).values[::-1]),
        replace(scaled(1), scales=scaled(1).scales * np.float32(np.nan)),
        quantize(np.zeros((ROWS, COLUMNS), np.float32), bits=4, group_size=32),
    ],
    ids=["most cut off", "doubled scales", "rows swapped", "no number", "zeros"],
)
def test_integers_that_are_not_those_of_the_student_are_told(given: QuantizedWeight) -> None:
    weights = weights_of("int4")
    weights = replace(weights, integers={**weights.integers, "query": given})
    (problem,) = far_from_original(weights, originals())
    assert problem.startswith("query was rounded to values")
    held = [StoredMatrix(name=name, weight=each) for name, each in weights.integers.items()]
    with pytest.raises(GateError, match="query was rounded to values"):
        check(artifact_of("int4"), {"main": held}, weights=weights, originals=originals())


def artifact_of(precision: FixedPrecision) -> Artifact:
    return Artifact(
        backend="tflite", precision=precision, path=Path("x"), seq_lens=(8,), inputs=(), outputs=()
    )


def test_check_says_in_one_line_which_artifact_and_what() -> None:
    weights = weights_of("int8")
    floats = {**originals(), "other": np.eye(4, dtype=np.float32)}
    held = [StoredMatrix(name=name, weight=each) for name, each in floats.items()]
    with pytest.raises(GateError) as caught:
        check(artifact_of("int8"), {"main": held}, weights=weights, originals=originals())
    assert caught.value.message == (
        "the int8 file for tflite is not what it claims to be: words stayed in float32, 6,144 "
        "bytes; query stayed in float32, 6,144 bytes; key stayed in float32, 6,144 bytes; "
        "and 1 more"
    )
    assert caught.value.hint


def strangers_in(
    held: Mapping[str, StoredWeight], precision: FixedPrecision, **others
) -> list[str]:
    functions = {"main": held, **others}
    stored = {
        function: [StoredMatrix(name=name, weight=each) for name, each in found.items()]
        for function, found in functions.items()
    }
    recipe = recipe_of(precision).model_copy(update={"groups": {}})
    return find_strangers(stored, recipe=recipe, originals=originals())


def held_by(precision: FixedPrecision) -> dict[str, StoredWeight]:
    floats = {"fp32": np.float32, "fp16": np.float16}
    if precision in floats:
        return {name: each.astype(floats[precision]) for name, each in originals().items()}
    return dict(weights_of(precision).integers)


@pytest.mark.parametrize("precision", FIXED_PRECISIONS)
def test_weights_of_the_student_are_no_strangers(precision: FixedPrecision) -> None:
    assert strangers_in(held_by(precision), precision) == []


@pytest.mark.parametrize("precision", FIXED_PRECISIONS)
def test_weight_of_another_model_is_a_stranger_in_the_function_that_holds_it(precision) -> None:
    held = held_by(precision)
    stale = dict(held)
    stale["query"] = stale.pop("key")
    (told,) = strangers_in(stale, precision, other=held)
    assert told.startswith("query is not in the file")
    assert told.endswith(" in main")


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_one_scale_that_is_off_makes_a_stranger(precision: FixedPrecision, factor: float) -> None:
    held = held_by(precision)
    weight = held["query"]
    assert isinstance(weight, QuantizedWeight)
    scales = weight.scales.copy()
    scales[5, -1] *= factor
    held["query"] = replace(weight, scales=scales)
    (told,) = strangers_in(held, precision)
    assert told.startswith("query ")
    assert "times the original" in told or "steps off" in told


def test_weight_of_zeros_is_a_stranger_and_hides_no_other() -> None:
    held = held_by("int8")
    weight = held["words"]
    assert isinstance(weight, QuantizedWeight)
    held["words"] = replace(weight, values=np.zeros_like(weight.values))
    assert strangers_in(held, "int8") == ["words is not in the file as integers of 8 bits"]


def test_two_rows_in_each_others_place_make_a_stranger() -> None:
    held = held_by("int8")
    weight = held["words"]
    assert isinstance(weight, QuantizedWeight)
    order = np.arange(ROWS)
    order[[3, 4]] = 4, 3
    held["words"] = replace(weight, values=weight.values[order], scales=weight.scales[order])
    (told,) = strangers_in(held, "int8")
    assert re.fullmatch(r"words is stored with values \d+ steps off", told)


def test_weight_that_stayed_a_float_or_has_more_bits_is_a_stranger() -> None:
    held = held_by("int4")
    held["words"] = originals()["words"]
    held["query"] = quantize(originals()["query"], bits=8)
    assert strangers_in(held, "int4") == [
        "words is not in the file as integers of 4 bits",
        "query is not in the file as integers of 4 bits",
    ]


def test_static_scales_are_known_up_to_a_factor_a_row() -> None:
    held = held_by("int8")
    for name, weight in held.items():
        assert isinstance(weight, QuantizedWeight)
        factors = np.linspace(0.1, 9, ROWS)[:, None].astype(np.float32)
        held[name] = replace(weight, scales=weight.scales * factors)
    recipe = recipe_of("int8", activations="static")
    stored = {"main": [StoredMatrix(name=name, weight=each) for name, each in held.items()]}
    assert find_strangers(stored, recipe=recipe, originals=originals()) == []
    first = held["key"]
    assert isinstance(first, QuantizedWeight)
    stored["main"][2] = StoredMatrix(name="key", weight=replace(first, values=first.values[::-1]))
    (told,) = find_strangers(stored, recipe=recipe, originals=originals())
    assert told.startswith("key ")


@pytest.mark.parametrize("precision", FIXED_PRECISIONS)
def test_integers_of_a_file_go_by_the_students_names(precision: FixedPrecision) -> None:
    given = weights_of(precision).integers
    halves = {
        name: replace(each, scales=each.scales.astype(np.float16)) for name, each in given.items()
    }
    stored = [StoredMatrix(name=f"x_{name}", weight=halves[name]) for name in halves]
    found = find_integers(stored, originals(), is_static=False)
    assert found.keys() == given.keys()
    for name, each in found.items():
        np.testing.assert_array_equal(each.values, given[name].values)
        np.testing.assert_allclose(each.scales, given[name].scales, rtol=1e-3)
        assert each.scales.dtype == np.float32


def test_integers_that_are_no_rounding_of_a_weight_are_left_out() -> None:
    held = weights_of("int8").integers
    upside_down = replace(held["key"], values=held["key"].values[::-1])
    stored = [
        StoredMatrix(name=name, weight=upside_down if name == "key" else each)
        for name, each in held.items()
    ]
    found = find_integers(stored, originals(), is_static=False)
    assert found.keys() == held.keys() - {"key"}
