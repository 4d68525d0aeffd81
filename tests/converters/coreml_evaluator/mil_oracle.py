"""A case of one operator: what an oracle makes of it, and what the reference computes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from converters.coreml_evaluator.steps import Rounding, bind
from tests.converters.small_models import ct

mb = ct.converters.mil.mil.Builder
types = ct.converters.mil.mil.types


@dataclass(frozen=True)
class Case:
    """An operator with its ``feeds`` (what a program computes) and ``constants``.

    coremltools folds the operator when both are constant; that value is the oracle. Where
    coremltools infers no value, or a wrong one, the case brings a ``reference`` over the same
    arguments.
    """

    op: str
    feeds: Mapping[str, Any]
    constants: Mapping[str, Any] = field(default_factory=dict)
    reference: Callable[..., Any] | None = None
    opset: ct.target = ct.target.iOS17
    tolerance: float = 2e-6


def check(case: Case) -> None:
    """Asserts that the reference computes what the oracle does; whole numbers exactly."""
    expected, computed = oracle(case), compute(case)

    assert len(computed) == len(expected)
    for actual, wanted in zip(computed, expected, strict=True):
        assert actual.shape == wanted.shape
        exact = wanted.dtype.kind in "iub"
        np.testing.assert_allclose(
            actual, wanted, rtol=0 if exact else case.tolerance, atol=0 if exact else case.tolerance
        )


def oracle(case: Case) -> list[np.ndarray]:
    arguments = {**case.feeds, **case.constants}
    if case.reference is not None:
        results = case.reference(**arguments)
        results = results if isinstance(results, list | tuple) else [results]
        return [np.asarray(result) for result in results]
    with ct.converters.mil.mil.Function({}, opset_version=case.opset):
        results = getattr(mb, case.op)(**arguments)
    results = results if isinstance(results, list | tuple) else [results]
    assert all(result.val is not None for result in results), "the case needs a reference"
    return [np.asarray(result.val) for result in results]


def compute(case: Case, rounding: Rounding = "fp32") -> list[np.ndarray]:
    """Builds a function around the operator, binds it, and runs its steps."""
    feeds = {
        f"{name}_{i}": np.asarray(array)
        for name, value in case.feeds.items()
        for i, array in enumerate(value if isinstance(value, list) else [value])
    }
    placeholders = {
        name: ct.converters.mil.mil.Placeholder(
            array.shape, types.numpy_type_to_builtin_type(array.dtype), name=name
        )
        for name, array in feeds.items()
    }
    with ct.converters.mil.mil.Function(placeholders, opset_version=case.opset) as function:
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


def in_fp16(case: Case) -> Case:
    """Returns the case with all its floats in fp16."""

    def narrow(value: Any) -> Any:
        if isinstance(value, list) and isinstance(value[0], np.ndarray):
            return [narrow(part) for part in value]
        return np.float16(value) if getattr(value, "dtype", None) == np.float32 else value

    feeds = {name: narrow(value) for name, value in case.feeds.items()}
    constants = {name: narrow(value) for name, value in case.constants.items()}
    return Case(case.op, feeds, constants, opset=case.opset)


def t(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def _as_value(array: np.ndarray) -> torch.Tensor:
    kind = {"f": np.float32, "i": np.int32, "u": np.int32, "b": np.bool_}[array.dtype.kind]
    return torch.from_numpy(np.array(array, dtype=kind))
