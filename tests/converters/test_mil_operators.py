"""Every operator of the reference, against coremltools' own value inference or another oracle."""

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from coremltools.converters.mil.mil import Function, Placeholder, types
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

from converters.mil_operators import OPERATORS, VALUE_PRESERVING
from converters.mil_steps import bind
from tests.converters.mil_operator_cases import CASE_IDS, CASES, Case, floats, ints


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
    expected = _oracle(case)

    computed = _compute(case)

    assert len(computed) == len(expected)
    for actual, wanted in zip(computed, expected, strict=True):
        assert actual.shape == wanted.shape
        exact = wanted.dtype.kind in "iub"
        np.testing.assert_allclose(
            actual, wanted, rtol=0 if exact else case.tolerance, atol=0 if exact else case.tolerance
        )


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.op in VALUE_PRESERVING],
    ids=[name for name, case in zip(CASE_IDS, CASES, strict=True) if case.op in VALUE_PRESERVING],
)
def test_value_preserving_operator_makes_no_number_that_fp16_lacks(case: Case) -> None:
    for result in _compute(_in_fp16(case)):
        np.testing.assert_array_equal(result, result.astype(np.float16))


def test_fp16_rounding_equals_half_precision_arithmetic() -> None:
    case = _in_fp16(Case("mul", {"x": floats(99), "y": floats(99)}))
    x, y = (array.astype(np.float16) for array in case.feeds.values())

    [rounded] = _compute(case, rounding="fp16")
    [unrounded] = _compute(case, rounding="fp32")

    np.testing.assert_array_equal(rounded, x * y)
    np.testing.assert_array_equal(unrounded, x.astype(np.float32) * y.astype(np.float32))


def test_fp16_rounding_overflows_to_infinity() -> None:
    [sum_] = _compute(
        _in_fp16(Case("add", {"x": np.full(1, 6e4, np.float32)}, {"y": np.float32(6e4)})),
        rounding="fp16",
    )

    assert np.isposinf(sum_)


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
        _compute(Case(op, feeds, constants))


def _oracle(case: Case) -> list[np.ndarray]:
    arguments = {**case.feeds, **case.constants}
    if case.reference is not None:
        return [np.asarray(case.reference(**arguments))]
    with Function({}, opset_version=case.opset):
        results = getattr(mb, case.op)(**arguments)
    results = results if isinstance(results, list | tuple) else [results]
    assert all(result.val is not None for result in results), "the case needs a reference"
    return [np.asarray(result.val) for result in results]


def _compute(case: Case, rounding: str = "fp32") -> list[np.ndarray]:
    """Builds a function around the operator, binds it, and runs its steps."""
    feeds = {
        f"{name}_{i}": np.asarray(array)
        for name, value in case.feeds.items()
        for i, array in enumerate(value if isinstance(value, list) else [value])
    }
    placeholders = {
        name: Placeholder(array.shape, types.numpy_type_to_builtin_type(array.dtype), name=name)
        for name, array in feeds.items()
    }
    with Function(placeholders, opset_version=case.opset) as function:
        variables = {
            name: [function.inputs[f"{name}_{i}"] for i in range(len(value))]
            if isinstance(value, list)
            else function.inputs[f"{name}_0"]
            for name, value in case.feeds.items()
        }
        results = getattr(mb, case.op)(**variables, **case.constants)
        results = list(results) if isinstance(results, list | tuple) else [results]
        function.set_outputs(results)

    bound = bind(function, rounding=rounding)
    values = {name: _as_value(array) for name, array in feeds.items()}
    for step in bound.steps:
        step.run(values)
    return [values[result.name].numpy() for result in results]


def _as_value(array: np.ndarray) -> torch.Tensor:
    kind = {"f": np.float32, "i": np.int32, "u": np.int32, "b": np.bool_}[array.dtype.kind]
    return torch.from_numpy(np.array(array, dtype=kind))


def _in_fp16(case: Case) -> Case:
    def narrow(value: Any) -> Any:
        if isinstance(value, list) and isinstance(value[0], np.ndarray):
            return [narrow(part) for part in value]
        return np.float16(value) if getattr(value, "dtype", None) == np.float32 else value

    feeds = {name: narrow(value) for name, value in case.feeds.items()}
    constants = {name: narrow(value) for name, value in case.constants.items()}
    return Case(case.op, feeds, constants, opset=case.opset)
