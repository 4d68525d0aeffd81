"""Every operator on random arguments, and every operator of our packages among them."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

from converters.coreml_evaluator.operators.table import OPERATORS
from tests.converters.coreml_evaluator.mil_elementwise_properties import ELEMENTWISE_PROPERTIES
from tests.converters.coreml_evaluator.mil_network_properties import NETWORK_PROPERTIES
from tests.converters.coreml_evaluator.mil_oracle import Case, check, compute
from tests.converters.coreml_evaluator.mil_tensor_properties import (
    INDEXING_PROPERTIES,
    TENSOR_PROPERTIES,
)

PROPERTIES = {
    **ELEMENTWISE_PROPERTIES,
    **TENSOR_PROPERTIES,
    **INDEXING_PROPERTIES,
    **NETWORK_PROPERTIES,
}

# The same examples in every run: a failure here is a change of the code, never chance.
_STEADY = settings(
    max_examples=20,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_every_operator_has_a_property() -> None:
    assert set(PROPERTIES) == set(OPERATORS)


@pytest.mark.parametrize("op", sorted(PROPERTIES))
@given(data=st.data())
@_STEADY
def test_operator_computes_what_its_oracle_does(op: str, data: st.DataObject) -> None:
    case = data.draw(PROPERTIES[op])
    assert case.op == op

    check(case)


_HALVES = hnp.arrays(
    np.float16, 16, elements=st.floats(width=16, allow_nan=False, allow_infinity=False)
)


@pytest.mark.parametrize("op", ["add", "sub", "mul", "real_div"])
@given(x=_HALVES, y=_HALVES)
@_STEADY
def test_fp16_arithmetic_is_that_of_exact_numbers_rounded_once(
    op: str, x: np.ndarray, y: np.ndarray
) -> None:
    """float64 holds sums and products of fp16 exactly, and quotients closely enough."""
    y = np.where(y == 0, np.float16(1), y)
    wide = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "real_div": np.divide}[op]
    with np.errstate(over="ignore"):
        expected = wide(x.astype(np.float64), y.astype(np.float64)).astype(np.float16)

    [computed] = compute(Case(op, {"x": x, "y": y}), rounding="fp16")

    np.testing.assert_array_equal(computed, expected)
