"""Loops and conditions of a Core ML program, from the saved file on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.coreml_evaluator import program as mil_program
from converters.coreml_evaluator.evaluator import CoreMLReference, read_program
from converters.values.errors import InputError
from pipeline.conversion.metrics import snr_db
from tests.converters.coreml_evaluator.mil_oracle import mb
from tests.converters.small_models import ct, save


def save_program(program: Any, folder: Path) -> Path:
    return save(ct.convert(program, minimum_deployment_target=ct.target.iOS17), folder)


def powers(folder: Path, *, rounds: int) -> Path:
    """Returns a package that multiplies by two and adds one, as often as it is told."""

    @mb.program(input_specs=[mb.TensorSpec((3,))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        step = mb.const(val=np.float32(2))

        def condition(count: Any, value: Any) -> Any:
            return mb.less(x=count, y=rounds)

        def body(count: Any, value: Any) -> Any:
            return mb.add(x=count, y=1), mb.add(x=mb.mul(x=value, y=step), y=1.0)

        start = mb.const(val=np.int32(0))
        return mb.while_loop(_cond=condition, _body=body, loop_vars=(start, x))[1]

    return save_program(program, folder)


@pytest.mark.parametrize("rounds", [0, 1, 7])
def test_loop_runs_as_often_as_its_condition_holds(rounds: int, tmp_path: Path) -> None:
    path = powers(tmp_path, rounds=rounds)
    x = np.array([1, -2, 0.5], np.float32)

    [found] = CoreMLReference(path).run({"x": x}).values()

    np.testing.assert_array_equal(found, x * 2**rounds + 2**rounds - 1)
    names = {op.op_type for op in read_program(path).functions["main"].operations}
    assert rounds == 0 or "while_loop" in names


def test_loop_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mil_program, "MAX_ROUNDS", 5)

    with pytest.raises(InputError, match="more than 5 rounds"):
        CoreMLReference(powers(tmp_path, rounds=7)).run({"x": np.zeros(3, np.float32)})


@pytest.mark.parametrize("sign", [1, -1])
def test_condition_runs_one_of_its_blocks(sign: int, tmp_path: Path) -> None:
    @mb.program(input_specs=[mb.TensorSpec((3,))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        total = mb.reduce_sum(x=x, axes=[0], keep_dims=False)
        return mb.cond(
            pred=mb.greater(x=total, y=0.0),
            _true_fn=lambda: mb.mul(x=x, y=3.0),
            _false_fn=lambda: mb.square(x=x),
        )

    x = sign * np.array([1, 2, 4], np.float32)

    [found] = CoreMLReference(save_program(program, tmp_path)).run({"x": x}).values()

    np.testing.assert_array_equal(found, x * 3 if sign > 0 else x * x)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(5, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.layer(x)[0]
        return states


def test_traced_gru_is_a_loop_and_answers_like_pytorch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = Recurrent().eval(), torch.randn(1, 7, 5)
    made = ct.convert(
        torch.jit.trace(model, x),
        inputs=[ct.TensorType(name="x", shape=x.shape)],
        minimum_deployment_target=ct.target.iOS17,
        skip_model_load=True,
    )
    path = save(made, tmp_path)
    assert "while_loop" in {op.op_type for op in read_program(path).functions["main"].operations}

    [states] = CoreMLReference(path).run({"x": x.numpy()}).values()

    assert snr_db(actual=states, reference=model(x).detach().numpy()) > 50
