"""Norms that a ``.pte`` file has inside of its graphs for XNNPACK."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.exir.schema import ScalarType
from torch import nn

from converters.executorch.inspection import inspect
from converters.executorch.runtime import load
from converters.executorch.taps import _Plan, tap
from converters.values.artifact import Artifact, TensorSpec


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
    tapped = tap(artifact, path=tmp_path / "tapped.pte")
    assert [spec.name for spec in tapped.outputs] == ["logits", "norm_0", "norm_1"]
    runner = load(tapped, num_threads=1)
    for length in (7, 24):
        value = torch.randn(1, length, 16)
        with torch.inference_mode():
            expected = block(value)
        for actual, wanted in zip(
            runner.run({"value": value.numpy()}).values(), expected, strict=True
        ):
            np.testing.assert_allclose(actual, wanted.numpy(), atol=1e-5)


def test_taps_lie_behind_all_that_is_planned_and_apart_from_each_other() -> None:
    sizes = [0, 21]  # the first is of no memory, by the format
    plan = object.__new__(_Plan)
    plan._plan = SimpleNamespace(non_const_buffer_sizes=sizes)
    tensors = [
        SimpleNamespace(sizes=[1, 3], scalar_type=ScalarType.FLOAT, allocation_info=None),
        SimpleNamespace(sizes=[1, 5], scalar_type=ScalarType.HALF, allocation_info=None),
        SimpleNamespace(sizes=[2, 2], scalar_type=ScalarType.FLOAT, allocation_info=None),
    ]
    places = []
    for tensor in tensors:
        found = plan._allocate(tensor)  # type: ignore[arg-type]
        assert found.memory_id == 1
        places.append(found.memory_offset_low + (found.memory_offset_high << 32))
    assert places == [32, 48, 64]
    assert sizes == [0, 80]
