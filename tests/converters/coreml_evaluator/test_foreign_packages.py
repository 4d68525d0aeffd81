"""Packages that this project did not make: coremltools alone converted each from PyTorch."""

from pathlib import Path
from typing import Any

import coremltools.optimize.coreml as cto
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.coreml_evaluator.evaluator import CoreMLReference, read_program
from converters.values.errors import InputError
from pipeline.conversion.metrics import snr_db
from tests.converters.coreml_evaluator.foreign_networks import (
    NETWORKS,
    convert,
    example_of,
    export,
    run_program,
    save_network,
)
from tests.converters.coreml_evaluator.mil_oracle import mb
from tests.converters.small_models import ct, save

# fp32 leaves the order of additions; fp16 some ten roundings of a part in 2**11.
LEAST_SNR_DB = {"fp32": 100, "fp16": 50}


@pytest.mark.parametrize(
    ("precision", "target"),
    [("fp32", ct.target.iOS16), ("fp16", ct.target.iOS18)],
    ids=["fp32-iOS16", "fp16-iOS18"],
)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_package_of_another_network_answers_like_pytorch(
    name: str, precision: str, target: ct.target, tmp_path: Path
) -> None:
    path, program = save_network(name, tmp_path, fp16=precision == "fp16", target=target)
    reference = CoreMLReference(path)

    outputs = reference.run(example_of(program))

    expected = run_program(program)
    assert len(outputs) == len(expected)
    for actual, wanted in zip(outputs.values(), expected, strict=True):
        assert snr_db(actual=actual, reference=wanted) > LEAST_SNR_DB[precision]


def test_lstm_operator_answers_like_pytorch(tmp_path: Path) -> None:
    """The operator of packages that were converted from a TorchScript."""
    torch.manual_seed(0)
    layer, x = nn.LSTM(4, 3), torch.randn(5, 2, 4)

    def reordered(weight: Tensor) -> np.ndarray:
        i, f, z, o = weight.detach().chunk(4)
        return torch.cat([i, f, o, z]).numpy()

    @mb.program(input_specs=[mb.TensorSpec((5, 2, 4))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        zeros = np.zeros((2, 3), np.float32)
        return mb.lstm(
            x=x, initial_h=zeros, initial_c=zeros, output_sequence=True,
            weight_ih=reordered(layer.weight_ih_l0), weight_hh=reordered(layer.weight_hh_l0),
            bias=reordered(layer.bias_ih_l0 + layer.bias_hh_l0),
        )[0]  # fmt: skip

    path = save(ct.convert(program, minimum_deployment_target=ct.target.iOS17), tmp_path)
    assert "lstm" in {op.op_type for op in read_program(path).functions["main"].operations}

    [states] = CoreMLReference(path).run({"x": x.numpy()}).values()

    assert snr_db(actual=states, reference=layer(x)[0].detach().numpy()) > LEAST_SNR_DB["fp16"]


# Shapes ----------------------------------------------------------------------------------------


class _Flexible(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).mean((2, 3))


@pytest.mark.parametrize("kind", ["ranged", "enumerated"])
def test_images_of_flexible_size_run_at_each(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = _Flexible().eval()
    side = torch.export.Dim("half", min=4, max=16) * 2
    program = torch.export.export(model, (torch.randn(1, 3, 16, 16),), dynamic_shapes=({2: side},))
    shape = (
        (1, 3, ct.RangeDim(8, 32, default=16), 16)
        if kind == "ranged"
        else ct.EnumeratedShapes([(1, 3, 8, 16), (1, 3, 16, 16)], default=(1, 3, 16, 16))
    )
    inputs = [ct.TensorType(name="x", shape=shape)]
    reference = CoreMLReference(save(convert(program, fp16=False, inputs=inputs), tmp_path))

    for height in (8, 16):
        x = torch.randn(1, 3, height, 16)
        [pooled] = reference.run({"x": x.numpy()}).values()
        assert snr_db(actual=pooled, reference=model(x).detach().numpy()) > LEAST_SNR_DB["fp32"]
    with pytest.raises(InputError, match=r"shape \(1, 3, 34, 16\), expected \(1, 3, "):
        reference.run({"x": np.zeros((1, 3, 34, 16), np.float32)})


# Compressed weights ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain_models() -> dict[ct.target, ct.models.MLModel]:
    program = export("u-net")
    return {
        target: convert(program, fp16=True, target=target)
        for target in (ct.target.iOS17, ct.target.iOS18)
    }


def _quantized(model: Any, **settings: Any) -> Any:
    settings = {"weight_threshold": 0, **settings}
    config = cto.OptimizationConfig(global_config=cto.OpLinearQuantizerConfig(**settings))
    return cto.linear_quantize_weights(model, config)


def _palettized(model: Any, *, jointly: bool = False, **settings: Any) -> Any:
    config = cto.OptimizationConfig(
        global_config=cto.OpPalettizerConfig(mode="uniform", weight_threshold=0, **settings)
    )
    return cto.palettize_weights(model, config, joint_compression=jointly)


def _pruned(model: Any) -> Any:
    settings = cto.OpMagnitudePrunerConfig(target_sparsity=0.6, weight_threshold=0)
    return cto.prune_weights(model, cto.OptimizationConfig(global_config=settings))


@pytest.mark.parametrize(
    ("target", "compress", "expression"),
    [
        (ct.target.iOS17, _quantized, "constexpr_affine_dequantize"),
        (ct.target.iOS18, lambda model: _quantized(model, dtype="int4"),
         "constexpr_blockwise_shift_scale"),
        (ct.target.iOS17, lambda model: _palettized(model, nbits=4), "constexpr_lut_to_dense"),
        (ct.target.iOS18, lambda model: _palettized(model, nbits=2), "constexpr_lut_to_dense"),
        (ct.target.iOS17, _pruned, "constexpr_sparse_to_dense"),
        (ct.target.iOS18, lambda model: _palettized(_pruned(model), nbits=4, jointly=True),
         "constexpr_lut_to_sparse"),
    ],
    ids=["int8", "int4", "palettes of 4 bits", "palettes of 2 bits", "sparse", "sparse palettes"],
)  # fmt: skip
def test_compressed_package_equals_itself_decompressed(
    plain_models: Any, target: ct.target, compress: Any, expression: str, tmp_path: Path
) -> None:
    compressed = compress(plain_models[target])
    (tmp_path / "plain").mkdir()
    plain = save(cto.decompress_weights(compressed), tmp_path / "plain")
    path = save(compressed, tmp_path)
    inputs = example_of(export("u-net"))
    operators = {op.op_type for op in read_program(path).functions["main"].operations}
    assert expression in operators

    [outputs] = CoreMLReference(path).run(inputs).values()

    [expected] = CoreMLReference(plain).run(inputs).values()
    np.testing.assert_array_equal(outputs, expected)


# What is refused -------------------------------------------------------------------------------


class _Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.total.add_(x)
        return self.total * 1.0


def _stateful() -> ct.models.MLModel:
    program = torch.export.export(_Counter(), (torch.ones(3),))
    return convert(program, fp16=True, target=ct.target.iOS18)


def test_package_of_an_unknown_kind_is_refused_with_what_it_is(tmp_path: Path) -> None:
    path = save(_stateful(), tmp_path)

    message = "'read_state' .*'write_state' .* are not supported here"
    with pytest.raises(InputError, match=message):
        CoreMLReference(path)
