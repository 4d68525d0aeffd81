"""Every operator of the reference, against coremltools' own value inference or another oracle."""

import inspect
from typing import Any

import numpy as np
import pytest

from converters.coreml_evaluator.operators.table import OPERATORS, VALUE_PRESERVING
from tests.converters.coreml_evaluator.mil_operator_cases import CASE_IDS, CASES, floats, ints
from tests.converters.coreml_evaluator.mil_oracle import Case, check, compute, in_fp16
from tests.converters.small_models import ct

SSAOpRegistry = ct.converters.mil.mil.ops.registry.SSAOpRegistry


def test_every_operator_has_a_case() -> None:
    assert {case.op for case in CASES} == set(OPERATORS)


@pytest.mark.parametrize("op", sorted(OPERATORS))
def test_operator_takes_every_argument_that_the_format_gives_it(op: str) -> None:
    parameters = inspect.signature(OPERATORS[op]).parameters
    required = {name for name, value in parameters.items() if value.default is value.empty}
    for version in SSAOpRegistry.core_ops[op].values():
        given = version.input_spec.input_types
        assert set(given) <= set(parameters)
        assert required <= set(given)


@pytest.mark.parametrize("case", CASES, ids=CASE_IDS)
def test_operator_computes_what_the_oracle_does(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.op in VALUE_PRESERVING],
    ids=[name for name, case in zip(CASE_IDS, CASES, strict=True) if case.op in VALUE_PRESERVING],
)
def test_value_preserving_operator_makes_no_number_that_fp16_lacks(case: Case) -> None:
    for result in compute(in_fp16(case)):
        np.testing.assert_array_equal(result, result.astype(np.float16))


def test_fp16_rounding_equals_half_precision_arithmetic() -> None:
    case = in_fp16(Case("mul", {"x": floats(99), "y": floats(99)}))
    x, y = (array.astype(np.float16) for array in case.feeds.values())

    [rounded] = compute(case, rounding="fp16")
    [unrounded] = compute(case, rounding="fp32")

    np.testing.assert_array_equal(rounded, x * y)
    np.testing.assert_array_equal(unrounded, x.astype(np.float32) * y.astype(np.float32))


def test_fp16_rounding_overflows_to_infinity() -> None:
    [sum_] = compute(
        in_fp16(Case("add", {"x": np.full(1, 6e4, np.float32)}, {"y": np.float32(6e4)})),
        rounding="fp16",
    )

    assert np.isposinf(sum_)


def test_fp16_rounding_applies_to_the_numbers_of_a_range() -> None:
    bounds = {"start": np.float16(2047), "end": np.float16(2052), "step": np.float16(1)}

    [steps] = compute(Case("range_1d", {}, bounds), rounding="fp16")

    np.testing.assert_array_equal(steps, [2047, 2048, 2048, 2050, 2052])


@pytest.mark.parametrize(
    ("op", "feeds", "constants"),
    [
        ("gather", {"x": floats(5, 3), "indices": ints(5)}, {"axis": 0}),
        ("gather", {"x": floats(5, 3), "indices": ints(-1)}, {"axis": 0}),
        ("gather_along_axis", {"x": floats(5, 3), "indices": ints([-1, 0, 0])}, {"axis": 0}),
        ("gather_nd", {"x": floats(5, 3), "indices": ints([[0, 3]])}, {}),
        ("scatter", {"data": floats(5), "indices": ints(-2), "updates": floats(1)}, {}),
        ("scatter_nd", {"data": floats(5), "indices": ints([7]), "updates": floats(1)}, {}),
    ],
)
def test_index_out_of_range_is_an_error_that_names_the_operator(
    op: str, feeds: dict[str, np.ndarray], constants: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"'{op}' .* is out of range for size"):
        compute(Case(op, feeds, constants))


_SAMPLE = {"sampling_mode": "bilinear", "padding_value": np.float32(0), "align_corners": True}
_CELL = {"weight_ih": floats(4, 2), "weight_hh": floats(4, 1)}
_STATE = {"initial_h": floats(1, 1), "initial_c": floats(1, 1)}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (Case("conv_transpose", {"x": floats(1, 1, 4)},
              {"weight": floats(1, 1, 3), "pad_type": "same"}), "pad_type 'same'"),
        (Case("resize", {"x": floats(1, 4)},
              {"shape": [8], "resized_dims": np.uint32(1),
               "interpolation_mode": "NEAREST_NEIGHBOR"}), "interpolation_mode 'NEAREST_NEIGHBOR'"),
        (Case("resample", {"x": floats(1, 1, 2, 2), "coordinates": floats(1, 1, 1, 2)},
              {**_SAMPLE, "padding_mode": "border", "coordinates_mode": "unnormalized"}),
         "coordinates_mode 'unnormalized'"),
        (Case("resample", {"x": floats(1, 1, 2, 2), "coordinates": floats(1, 1, 1, 2)},
              {**_SAMPLE, "padding_mode": "symmetric",
               "coordinates_mode": "normalized_minus_one_to_one"}), "padding_mode 'symmetric'"),
        (Case("lstm", {"x": floats(3, 1, 2), **_STATE}, {**_CELL, "clip": np.float32(1)}), "clip"),
        (Case("lstm", {"x": floats(3, 1, 2), **_STATE}, {**_CELL, "activation": "hard_sigmoid"}),
         "activation 'hard_sigmoid'"),
    ],
    ids=lambda value: value.op if isinstance(value, Case) else None,
)  # fmt: skip
def test_unknown_form_of_an_operator_is_named(case: Case, message: str) -> None:
    with pytest.raises(ValueError, match=f"'{case.op}' .* not supported in this form.*{message}"):
        compute(case)
