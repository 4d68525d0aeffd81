"""The Core ML reference on saved packages, against PyTorch."""

import copy
from pathlib import Path
from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import pytest
import torch
from torch import nn

from converters.coreml_evaluator.evaluator import CoreMLReference, read_program
from converters.values.errors import InputError
from tests.converters.small_models import (
    ARCHITECTURES,
    INPUT_NAMES,
    OUTPUT_NAMES,
    SEQ_LEN,
    VOCAB_SIZE,
    WithMask,
    convert,
    largest,
    make_inputs,
    run_pytorch,
    save,
    size_bytes,
    worst,
)

# Relative to the largest logit of a two-layer model. fp32 leaves the order of additions; fp16 about
# a hundred roundings by up to 2**-12 each.
FP32_TOLERANCE = 1e-5
FP16_TOLERANCE = 1e-2


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def student(architecture: str) -> nn.Module:
    torch.manual_seed(0)
    return WithMask(ARCHITECTURES[architecture]()).eval()


@pytest.fixture(scope="module")
def converted(student: nn.Module, architecture: str) -> ct.models.MLModel:
    """An fp32 package, for iOS 18 where there are newer operators to meet."""
    target = ct.target.iOS18 if architecture in ("bert", "electra") else ct.target.iOS17
    return convert(student, architecture, fp16=False, target=target)


# Against PyTorch -------------------------------------------------------------------------------


def test_fp32_package_answers_like_pytorch(
    converted: ct.models.MLModel, student: nn.Module, architecture: str, tmp_path: Path
) -> None:
    reference = CoreMLReference(save(converted, tmp_path))

    assert reference.input_names == INPUT_NAMES[architecture]
    assert reference.output_names == OUTPUT_NAMES
    for seed in range(3):
        inputs = make_inputs(architecture, seed=seed)
        expected = run_pytorch(student, inputs)
        assert worst(reference.run(inputs), expected) < FP32_TOLERANCE * largest(expected)


def test_fp16_package_answers_like_pytorch_and_rounds(
    student: nn.Module, architecture: str, tmp_path: Path
) -> None:
    path = save(convert(student, architecture, fp16=True), tmp_path)
    inputs = make_inputs(architecture)
    expected = run_pytorch(student, inputs)

    rounded = CoreMLReference(path).run(inputs)
    unrounded = CoreMLReference(path, rounding="fp32").run(inputs)

    assert worst(rounded, expected) < FP16_TOLERANCE * largest(expected)
    assert worst(unrounded, expected) < FP16_TOLERANCE * largest(expected)
    assert worst(rounded, unrounded) > 0


def test_int8_package_answers_like_pytorch_with_weights_quantized_by_hand(
    converted: ct.models.MLModel, student: nn.Module, architecture: str, tmp_path: Path
) -> None:
    settings = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
    config = cto.OptimizationConfig(op_type_configs={"linear": settings})
    path = save(cto.linear_quantize_weights(converted, config), tmp_path)
    inputs = make_inputs(architecture)
    by_hand = copy.deepcopy(student)
    for module in by_hand.modules():
        if isinstance(module, nn.Linear):
            scale = module.weight.detach().abs().amax(1, keepdim=True) / 127
            module.weight = nn.Parameter((module.weight / scale).round() * scale)
    expected = run_pytorch(by_hand, inputs)

    assert worst(CoreMLReference(path).run(inputs), expected) < FP32_TOLERANCE * largest(expected)
    change = worst(run_pytorch(student, inputs), expected)
    assert change > 100 * FP32_TOLERANCE * largest(expected)


def test_four_bit_package_answers_like_pytorch_with_palettes_made_by_hand(
    converted: ct.models.MLModel, student: nn.Module, architecture: str, tmp_path: Path
) -> None:
    settings = cto.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=0)
    config = cto.OptimizationConfig(op_type_configs={"linear": settings})
    path = save(cto.palettize_weights(converted, config), tmp_path)
    inputs = make_inputs(architecture)
    by_hand = copy.deepcopy(student)
    for module in by_hand.modules():
        if isinstance(module, nn.Linear):
            least, most = module.weight.detach().aminmax()
            step = (most - least) / 15
            module.weight = nn.Parameter(((module.weight - least) / step).round() * step + least)
    expected = run_pytorch(by_hand, inputs)

    assert worst(CoreMLReference(path).run(inputs), expected) < FP32_TOLERANCE * largest(expected)
    change = worst(run_pytorch(student, inputs), expected)
    assert change > 1000 * FP32_TOLERANCE * largest(expected)


@pytest.mark.parametrize(
    ("target", "compress", "settings"),
    [
        (ct.target.iOS17, cto.linear_quantize_weights, cto.OpLinearQuantizerConfig(mode="linear")),
        (ct.target.iOS18, cto.linear_quantize_weights,
         cto.OpLinearQuantizerConfig(dtype="int4", granularity="per_block", block_size=32)),
        (ct.target.iOS17, cto.palettize_weights, cto.OpPalettizerConfig(mode="uniform", nbits=6)),
        (ct.target.iOS18, cto.palettize_weights,
         cto.OpPalettizerConfig(mode="uniform", nbits=4, granularity="per_grouped_channel",
                                group_size=16)),
        (ct.target.iOS17, cto.prune_weights, cto.OpMagnitudePrunerConfig(target_sparsity=0.5)),
    ],
)  # fmt: skip
def test_compressed_fp16_package_equals_the_same_package_decompressed(
    small_models: Any, target: ct.target, compress: Any, settings: Any, tmp_path: Path
) -> None:
    """Embeddings included: every weight that is large enough is compressed here."""
    compressed = compress(small_models[target], cto.OptimizationConfig(global_config=settings))
    (tmp_path / "plain").mkdir()
    plain = save(cto.decompress_weights(compressed), tmp_path / "plain")
    path = save(compressed, tmp_path)
    inputs = make_inputs("distilbert")

    outputs = CoreMLReference(path).run(inputs)

    assert size_bytes(path) < size_bytes(plain)
    assert worst(outputs, CoreMLReference(plain).run(inputs)) == 0


class _FusedAttention(nn.Module):
    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        heads = x.unflatten(-1, (4, 8)).transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(heads, heads, heads, mask)


def test_package_with_fused_attention_answers_like_pytorch(tmp_path: Path) -> None:
    x, mask = torch.randn(1, 6, 32), torch.where(torch.rand(1, 1, 6, 6) < 0.3, -1e4, 0.0)
    program = torch.export.export(_FusedAttention(), (x, mask)).run_decompositions({})
    model = ct.convert(
        program, minimum_deployment_target=ct.target.iOS18,
        compute_precision=ct.precision.FLOAT32, outputs=[ct.TensorType(name="attended")],
    )  # fmt: skip
    path = save(model, tmp_path)
    operators = {op.op_type for op in read_program(path).functions["main"].operations}

    outputs = CoreMLReference(path).run({"x": x.numpy(), "mask": mask.numpy()})

    assert "scaled_dot_product_attention" in operators
    assert worst(outputs, {"attended": _FusedAttention()(x, mask).numpy()}) < FP32_TOLERANCE


# Shapes and functions --------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["ranged", "enumerated"])
def flexible_package(
    request: pytest.FixtureRequest, small_student: nn.Module, tmp_path_factory: Any
) -> Path:
    shape = (
        (1, ct.RangeDim(4, 32, default=SEQ_LEN))
        if request.param == "ranged"
        else ct.EnumeratedShapes([(1, 8), (1, SEQ_LEN)], default=(1, SEQ_LEN))
    )
    dim = torch.export.Dim("seq_len", min=4, max=32)
    model = convert(
        small_student, "distilbert", fp16=False, target=ct.target.iOS18,
        dynamic_shapes=({1: dim}, {1: dim}), shape=shape,
    )  # fmt: skip
    return save(model, tmp_path_factory.mktemp("flexible"))


@pytest.mark.parametrize("seq_len", [8, SEQ_LEN])
def test_package_with_flexible_lengths_runs_at_each(
    flexible_package: Path, small_student: nn.Module, seq_len: int
) -> None:
    inputs = make_inputs("distilbert", seq_len=seq_len)
    expected = run_pytorch(small_student, inputs)

    outputs = CoreMLReference(flexible_package).run(inputs)

    assert worst(outputs, expected) < FP32_TOLERANCE * largest(expected)


def test_length_outside_the_flexible_ones_is_refused(flexible_package: Path) -> None:
    with pytest.raises(InputError, match=r"shape \(1, 33\), expected \(1"):
        CoreMLReference(flexible_package).run(make_inputs("distilbert", seq_len=33))


@pytest.mark.parametrize("function", ["first", None])
def test_function_of_a_package_with_several_runs_like_the_one_alone(
    two_functions: Path, small_package: Path, function: str | None
) -> None:
    inputs = make_inputs("distilbert")

    outputs = CoreMLReference(two_functions, function=function).run(inputs)

    assert worst(outputs, CoreMLReference(small_package).run(inputs)) == 0


# What it tells ---------------------------------------------------------------------------------


def test_taps_hold_every_value_on_the_way(small_package: Path) -> None:
    reference = CoreMLReference(small_package)
    inputs = make_inputs("distilbert")

    outputs, taps = reference.run_with_taps(inputs)

    operations = read_program(small_package).functions["main"].operations
    computed = [op.outputs[0].name for op in operations if op.op_type == "linear"]
    assert len(computed) == 13  # six in each layer, and the head
    assert set(computed) | set(inputs) | set(outputs) <= set(taps)
    assert worst(outputs, reference.run(inputs)) == 0
    np.testing.assert_array_equal(taps["start_logits"], outputs["start_logits"])


def test_run_leaves_the_inputs_and_the_number_of_threads_alone(small_package: Path) -> None:
    inputs = make_inputs("distilbert")
    given = copy.deepcopy(inputs)
    before = torch.get_num_threads()

    outputs = CoreMLReference(small_package, num_threads=1).run(inputs)
    outputs["start_logits"][:] = 0

    assert torch.get_num_threads() == before
    assert all((inputs[name] == given[name]).all() for name in given)


# What it refuses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention_mask": None}, "missing attention_mask"),
        ({"segment_ids": np.zeros((1, SEQ_LEN), np.int32)}, "unexpected segment_ids"),
        ({"input_ids": np.zeros((1, 7), np.int32)}, r"shape \(1, 7\), expected \(1, 24\)"),
        ({"input_ids": np.zeros(SEQ_LEN, np.int32)}, r"shape \(24,\), expected \(1, 24\)"),
        ({"input_ids": np.zeros((1, SEQ_LEN))}, "dtype float64, expected int32"),
        ({"input_ids": np.full((1, SEQ_LEN), VOCAB_SIZE)}, "'gather' .* out of range for size 120"),
    ],
)
def test_wrong_input_is_refused_with_what_was_expected(
    small_package: Path, change: dict[str, Any], message: str
) -> None:
    inputs = {**make_inputs("distilbert"), **change}

    with pytest.raises(InputError, match=message):
        CoreMLReference(small_package).run({k: v for k, v in inputs.items() if v is not None})
