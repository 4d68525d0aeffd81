"""Tapped copies: they give what the blocks of the file under test compute, and change nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from converters import backends
from converters.executorch.inspection import inspect
from converters.values.artifact import Artifact, TensorSpec
from converters.values.precision import FixedPrecision
from pipeline.student.blocks import norm_blocks, run_blocks
from pipeline.student.load import Student
from tests.converters.conversion import SEQ_LENS, assert_no_block_is_alarming, random_rows, run

Artifacts = dict[str, dict[FixedPrecision, Artifact]]
RUNTIMES = {"executorch": "executorch", "tflite": "litert", "coreml": "coreml-reference"}


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_block_outputs_of_an_fp32_artifact_are_the_students_at_each_length(
    artifacts: Artifacts, students: dict[str, Student], backend: str, tmp_path: Path
) -> None:
    student, artifact = students["distilbert"], artifacts[backend]["fp32"]
    module = backends.backend(backend)
    tapped = module.tap(artifact, path=tmp_path / module.FILE_NAME)
    rows = [
        row
        for seq_len in SEQ_LENS
        for row in random_rows(student, seq_len=seq_len, num_tokens=(seq_len, 9))
    ]
    outputs = run({"fp32": tapped}, RUNTIMES[backend], rows)["fp32"]
    plain = run({"fp32": artifact}, RUNTIMES[backend], rows)["fp32"]
    for row, found, untapped in zip(rows, outputs, plain, strict=True):
        own = run_blocks(student, row)
        is_real = row["attention_mask"][0] == 1
        for number, name in enumerate(norm_blocks(student)):
            block = found[f"norm_{number}"].reshape(own[name].shape)
            np.testing.assert_allclose(block[is_real], own[name][is_real], atol=1e-4)
        for name, logits in untapped.items():
            np.testing.assert_array_equal(found[name], logits)


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_tapped_copy_holds_the_weights_of_the_file(
    artifacts: Artifacts, backend: str, tmp_path: Path
) -> None:
    module = backends.backend(backend)
    artifact = artifacts[backend]["int4"]
    tapped = module.tap(artifact, path=tmp_path / module.FILE_NAME)
    before, after = (module.read_matrices(each.path) for each in (artifact, tapped))
    assert before.keys() == after.keys()
    for function, matrices in before.items():
        for one, other in zip(matrices, after[function], strict=True):
            if isinstance(one.weight, np.ndarray):
                np.testing.assert_array_equal(one.weight, other.weight)
            else:
                np.testing.assert_array_equal(one.weight.values, other.weight.values)
                np.testing.assert_array_equal(one.weight.scales, other.weight.scales)


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_good_artifact_raises_no_alarm_at_any_precision(
    artifacts: Artifacts, students: dict[str, Student], backend: str
) -> None:
    assert_no_block_is_alarming(students["distilbert"], artifacts[backend], RUNTIMES[backend])


class Norm(nn.Module):
    """A layer norm of operators that XNNPACK takes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(width) + 0.5)
        self.bias = nn.Parameter(torch.randn(width))
        self.mean = nn.Linear(width, 1, bias=False)
        self.mean.weight.data[:] = 1 / width

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        centered = value - self.mean(value)
        variance = self.mean(centered * centered)
        return centered * torch.rsqrt(variance + 1e-12) * self.gain + self.bias


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([Norm(16), Norm(16)])
        self.up, self.down, self.head = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, 2)

    def forward(self, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        first = self.norms[0](value)
        second = self.norms[1](first + self.down(nn.functional.gelu(self.up(first))))
        return self.head(second), first, second


class Head(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return self.block(value)[0]


def test_norms_inside_of_xnnpack_are_tapped_at_each_length(tmp_path: Path) -> None:
    torch.manual_seed(0)
    block = Block().eval()
    program = torch.export.export(
        Head(block).eval(),
        (torch.ones(1, 12, 16),),
        dynamic_shapes={"value": {1: torch.export.Dim("length", min=4, max=24)}},
    )
    path = tmp_path / "model.pte"
    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path.write_bytes(edge.to_executorch().buffer)
    found = inspect(path)
    assert found.num_ops == found.num_delegated_ops
    artifact = Artifact(
        backend="executorch", precision="fp32", path=path, seq_lens=(7, 24),
        inputs=(TensorSpec(name="value", artifact_name="0", dtype="float32"),),
        outputs=(TensorSpec(name="logits", artifact_name="0", dtype="float32"),),
        entry_points=("forward", "forward"),
    )  # fmt: skip
    module = backends.backend("executorch")
    tapped = module.tap(artifact, path=tmp_path / "tapped.pte")
    assert [spec.name for spec in tapped.outputs] == ["logits", "norm_0", "norm_1"]
    runner = module.load(tapped, runtime="executorch", num_threads=1)
    for length in (7, 24):
        value = torch.randn(1, length, 16)
        with torch.inference_mode():
            expected = block(value)
        for actual, wanted in zip(
            runner.run({"value": value.numpy()}).values(), expected, strict=True
        ):
            np.testing.assert_allclose(actual, wanted.numpy(), atol=1e-5)
