"""Packages that ask for more than a machine has are refused before anything is made."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters.coreml_evaluator import limits
from converters.coreml_evaluator import program as mil_program
from converters.coreml_evaluator.evaluator import CoreMLReference
from converters.coreml_evaluator.limits import (
    TooLargeError,
    check_elements,
    check_size,
    count_elements,
)
from converters.values.errors import InputError
from converters.workarounds import coremltools_with_bounded_results
from tests.converters.coreml_evaluator.mil_operator_cases import CASE_IDS, CASES
from tests.converters.coreml_evaluator.mil_oracle import Case, compute, mb
from tests.converters.small_models import ct, save

MANY = 3_000_000


def t(value: Any) -> torch.Tensor:
    return torch.as_tensor(value)


X = t(np.ones((1, 1, 4, 4), np.float32))
COLUMN = torch.ones(1, 1).expand(MANY, 1)
KERNEL = torch.ones(1, 1, 3, 3)
_CONV: dict[str, Any] = {
    "x": X, "weight": KERNEL, "dilations": t([1, 1]), "strides": t([1, 1]), "groups": t(1),
    "pad_type": "custom",
}  # fmt: skip
_POOL: dict[str, Any] = {"x": X, "kernel_sizes": t([2, 2]), "strides": t([1, 1])}

HUGE: list[tuple[str, dict[str, Any]]] = [
    ("tile", {"x": X, "reps": t([1, 1, MANY, MANY])}),
    ("fill", {"shape": t([MANY, MANY]), "value": t(0.0)}),
    ("one_hot", {"indices": t([0] * 1000), "one_hot_vector_size": t(MANY)}),
    ("range_1d", {"start": t(0.0), "end": t(1e12), "step": t(1.0)}),
    ("pad", {"x": X, "pad": t([0, MANY, 0, MANY])}),
    ("conv", {**_CONV, "pad": t([MANY, 0, MANY, 0])}),
    ("conv_transpose", {**_CONV, "pad": t([0, 0, 0, 0]), "strides": t([MANY, MANY])}),
    ("max_pool", {**_POOL, "pad": t([MANY, 0, MANY, 0])}),
    ("avg_pool", {**_POOL, "pad": t([MANY, 0, MANY, 0])}),
    ("l2_pool", {**_POOL, "pad": t([MANY, 0, MANY, 0])}),
    ("resize", {"x": X, "shape": t([MANY, MANY]), "resized_dims": t(2)}),
    ("resize_bilinear", {"x": X, "target_size_height": t(MANY), "target_size_width": t(MANY)}),
    ("resize_nearest_neighbor",
     {"x": X, "target_size_height": t(MANY), "target_size_width": t(MANY)}),
    ("upsample_bilinear",
     {"x": X, "scale_factor_height": t(1e6), "scale_factor_width": t(1e6)}),
    ("upsample_nearest_neighbor",
     {"x": X, "scale_factor_height": t(1e6), "scale_factor_width": t(1e6)}),
    ("resample",
     {"x": X.expand(1, 1000, 4, 4), "coordinates": torch.ones(1).expand(1, MANY, 1, 2)}),
    ("add", {"x": COLUMN, "y": COLUMN.mT}),
    ("select", {"cond": COLUMN > 0, "a": COLUMN.mT, "b": t(0.0)}),
    ("matmul", {"x": COLUMN, "y": COLUMN.mT, "transpose_x": t(False), "transpose_y": t(False)}),
    ("matmul", {"x": COLUMN.mT, "y": COLUMN, "transpose_x": t(True), "transpose_y": t(True)}),
    ("linear", {"x": COLUMN, "weight": torch.ones(1000, 1), "bias": None}),
    ("einsum", {"values": [COLUMN[..., None], COLUMN.mT[None]], "equation": "chw,whu->chu"}),
    ("gather", {"x": torch.ones(2, 1000), "indices": t([0] * MANY), "axis": t(0)}),
    ("gather_nd", {"x": torch.ones(2, 1000), "indices": t([[0]] * MANY)}),
    ("sliding_windows", {"x": torch.ones(MANY), "axis": t(0), "size": t(1000)}),
    ("scaled_dot_product_attention", {"query": COLUMN, "key": COLUMN, "value": COLUMN}),
    ("concat", {"values": [COLUMN] * 100, "axis": t(0)}),
    ("stack", {"values": [COLUMN] * 100, "axis": t(0)}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "arguments"), HUGE, ids=[name for name, _ in HUGE])
def test_huge_result_is_refused_before_it_is_made(op: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TooLargeError, match="elements, the bound is"):
        check_size(op, arguments, is_known=False)


def test_every_operator_with_a_count_of_its_own_is_tried() -> None:
    tried = {name for name, _ in HUGE} | {"gather_along_axis", "lstm", "rnn", "non_zero"}
    assert set(limits._COUNTS) <= tried


@pytest.mark.parametrize("case", CASES, ids=CASE_IDS)
def test_count_is_no_less_than_the_result_and_not_far_more(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, int]] = []

    def keep(op_type: str, arguments: Any, **_: Any) -> None:
        parts = [part for value in arguments.values() for part in _parts(value)]
        taken = sum(part.numel() for part in parts if isinstance(part, torch.Tensor))
        seen.append((count_elements(op_type, arguments), taken))

    monkeypatch.setattr(mil_program, "check_size", keep)

    largest = max(result.size for result in compute(case))

    [(count, taken)] = seen
    assert largest <= count <= 40 * (largest + taken)


def _parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _change_shape(path: Path, old: int, new: int) -> None:
    """Rewrites a number in the constants of a package."""
    from coremltools.proto import Model_pb2

    file = path / "Data/com.apple.CoreML/model.mlmodel"
    spec = Model_pb2.Model.FromString(file.read_bytes())
    changed = 0
    for block in spec.mlProgram.functions["main"].block_specializations.values():
        for operation in block.operations:
            for value in operation.attributes.values():
                numbers = value.immediateValue.tensor.ints.values
                for i, number in enumerate(numbers):
                    if number == old:
                        numbers[i] = new
                        changed += 1
    assert changed
    file.write_bytes(spec.SerializeToString())


def test_package_whose_constants_would_be_huge_is_refused_while_it_is_read(
    tmp_path: Path,
) -> None:
    @mb.program(input_specs=[mb.TensorSpec((7, 7))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        tiled = mb.tile(x=x, reps=[3, 3])
        return mb.reduce_sum(x=tiled, axes=[0, 1], keep_dims=False)

    path = save(ct.convert(program, minimum_deployment_target=ct.target.iOS17), tmp_path)
    _change_shape(path, 3, 1_000_000)

    with pytest.raises(InputError, match="elements, the bound is"):
        CoreMLReference(path)


def test_values_that_live_together_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @mb.program(input_specs=[mb.TensorSpec((100,))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        kept = [mb.add(x=x, y=float(i)) for i in range(1, 9)]
        return mb.concat(values=kept, axis=0)

    path = save(ct.convert(program, minimum_deployment_target=ct.target.iOS17), tmp_path)
    inputs = {"x": np.zeros(100, np.float32)}
    CoreMLReference(path).run(inputs)
    monkeypatch.setattr("converters.coreml_evaluator.evaluator.MAX_LIVE_ELEMENTS", 500)

    with pytest.raises(InputError, match="take too much memory"):
        CoreMLReference(path).run(inputs)


def test_coremltools_still_computes_results_of_any_size() -> None:
    """When it no longer does, ``coremltools_with_bounded_results`` can go."""
    with ct.converters.mil.mil.Function({}, opset_version=ct.target.iOS17):
        assert mb.fill(shape=[2**12, 2**12], value=1.0).val.size == 2**24
        with (
            coremltools_with_bounded_results(lambda count: check_elements(count, most=2**20)),
            pytest.raises(TooLargeError),
        ):
            mb.fill(shape=[2**12, 2**12], value=1.0)
