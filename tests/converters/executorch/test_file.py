"""A ``.pte`` file read back, what XNNPACK takes included."""

from pathlib import Path

import numpy as np
import pytest
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from converters.executorch import inspection
from converters.executorch.file import Method, Program, XnnpackGraph, XnnpackValue, read_program
from converters.executorch.inspection import inspect
from converters.executorch.matrices import read_matrices
from converters.values.errors import InputError


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2)).eval()


@pytest.fixture(scope="module")
def path(model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = torch.export.export(model, (torch.ones(3, 8),))
    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path = tmp_path_factory.mktemp("pte") / "model.pte"
    path.write_bytes(edge.to_executorch().buffer)
    return path


def test_relu_whose_bound_is_infinite_is_read(path: Path) -> None:
    (method,) = read_program(path).methods
    (graph,) = method.graphs
    kinds = [kind for kind, _ in graph.nodes]
    assert kinds.count("XNNFullyConnected") == 2


def test_weights_read_back_as_they_were(path: Path, model: nn.Module) -> None:
    stored = [each.weight for each in read_matrices(path)["forward"]]
    for each, parameter in zip(stored, (model[0].weight, model[2].weight), strict=True):
        np.testing.assert_array_equal(each, parameter.detach().numpy())


def test_inspect_counts_multiply_adds(path: Path) -> None:
    found = inspect(path)
    assert found.num_macs == found.num_delegated_macs == 3 * (8 * 6 + 6 * 2)
    assert [tensor.size_bytes for tensor in found.float_tensors] == [192, 48, 24, 8]


def graph_of(*constants: tuple[str, bytes]) -> XnnpackGraph:
    """Returns a graph with a matrix of integers for each constant, all with the first's scales."""
    values = {
        number: XnnpackValue(
            number=number, datatype="qcint8", shape=(2, 4), constant=number,
            quantization={"scale_buffer_idx": 1},
        )
        for number in range(2, len(constants) + 1)
    }  # fmt: skip
    return XnnpackGraph(nodes=(), values=values, constants=(("", b""), *constants))


def test_constant_that_delegates_share_counts_once_and_their_own_each() -> None:
    """By the key that the file gives it; one without a key is the delegate's own."""
    graphs = (
        graph_of(("scales", b"s" * 8), ("shared", b"w" * 8), ("", b"a" * 8)),
        graph_of(("scales", b"s" * 8), ("shared", b"w" * 8), ("", b"b" * 8), ("other", b"c" * 8)),
    )
    method = Method(name="forward", kernels=(), constants={}, graphs=graphs)
    found = list(inspection._delegate_tensors(Program(methods=(method,), buffers=())))
    assert [(each.dtype, each.is_scale) for each in found] == [
        ("int8", False), ("float32", True), ("int8", False), ("int8", False), ("int8", False),
    ]  # fmt: skip
    assert len({each.name for each in found}) == len(found)


def test_damaged_file_is_refused(path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "model.pte"
    damaged.write_bytes(path.read_bytes()[:600])
    with pytest.raises(InputError, match="cannot be read as an ExecuTorch program"):
        read_program(damaged)
