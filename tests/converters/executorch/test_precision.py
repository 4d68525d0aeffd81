"""Four-bit weights in ExecuTorch's XNNPACK kernels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
from torch import nn

from converters.executorch import precision
from converters.weights.quantized import QuantizedWeight, quantize
from pipeline.conversion.metrics import snr_db

COLUMNS, ROWS, TOKENS = 64, 32, 5
SNR_DB = 35.0
"""Of what eight bits a token leave of the activations."""


def layer(seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(COLUMNS, ROWS)


def run_executorch(
    linear: nn.Linear, weight: QuantizedWeight, inputs: torch.Tensor, path: Path
) -> np.ndarray:
    module = torch.export.export(linear, (inputs,)).module()
    precision.quantize(module, {"weight": weight}, {})
    edge = to_edge_transform_and_lower(
        torch.export.export(module, (inputs,)), partitioner=[XnnpackPartitioner()]
    )
    with path.open("wb") as file:
        edge.to_executorch().write_to_file(file)
    method = Runtime.get().load_program(path).load_method("forward")
    return method.execute([inputs])[0].numpy().copy()


@pytest.mark.parametrize("group_size", [32, 64])
def test_the_least_integer_of_calibrated_weights_is_computed_with(
    tmp_path: Path, group_size: int
) -> None:
    linear = layer()
    inputs = torch.randn(1, TOKENS, COLUMNS)
    weight = quantize(
        linear.weight.detach().numpy(),
        bits=4,
        group_size=group_size,
        second_moment=np.eye(COLUMNS),
    )
    assert weight.values.min() == -8

    actual = run_executorch(linear, weight, inputs, tmp_path / "model.pte")

    stored = torch.from_numpy(weight.dequantize())
    expected = nn.functional.linear(inputs, stored, linear.bias).detach().numpy()
    assert snr_db(actual=actual, reference=expected) > SNR_DB
