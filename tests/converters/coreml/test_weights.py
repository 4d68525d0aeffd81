"""Core ML packages that hold weights as the integers and scales that were given."""

import copy
import dataclasses
import shutil
from pathlib import Path
from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import types
from torch import nn

from converters.coreml import backend, convert
from converters.coreml.weights import deployment_target, store
from converters.coreml_evaluator.evaluator import CoreMLReference, read_program, stored_tensors
from converters.values.errors import InputError
from converters.weights.quantized import QuantizedWeight, quantize
from pipeline.conversion.audit import is_same
from pipeline.conversion.metrics import snr_db
from tests.converters.small_models import (
    ARCHITECTURES,
    OUTPUT_NAMES,
    SEQ_LEN,
    WIDTH,
    WithMask,
    convert_program,
    export,
    largest,
    make_inputs,
    run_pytorch,
    save,
    worst,
)

Weights = dict[str, QuantizedWeight]
Built = tuple[Path, Weights]

# Relative to the largest logit: fp32 leaves the order of additions.
FP32_TOLERANCE = 1e-5
# Of fp16 arithmetic through two layers with large random weights; 4-bit weights alone give 8.
FP16_SNR_DB = 50.0

EMBEDDING = "distilbert.embeddings.word_embeddings.weight"
POSITIONS = "distilbert.embeddings.position_embeddings.weight"
QUERY = "distilbert.transformer.layer.0.attention.q_lin.weight"


def matrices(model: nn.Module) -> dict[str, np.ndarray]:
    """Every matrix but the position table, which the converter folds where it is a float."""
    return {
        name: parameter.detach().numpy()
        for name, parameter in model.named_parameters()
        if parameter.dim() == 2 and "position" not in name
    }


def quantized(model: nn.Module, *, bits: int, group_size: int | None = None) -> Weights:
    return {
        name: quantize(value, bits=bits, group_size=group_size)
        for name, value in matrices(model).items()
    }


def mixed(model: nn.Module) -> Weights:
    """In turn: eight bits, four bits in groups, four bits a row, a float."""
    settings = [{"bits": 8}, {"bits": 4, "group_size": 32}, {"bits": 4}, None]
    named = enumerate(matrices(model).items())
    return {
        name: quantize(value, **setting)
        for i, (name, value) in named
        if (setting := settings[i % len(settings)]) is not None
    }


def build(
    model: nn.Module,
    architecture: str,
    weights: Weights,
    folder: Path,
    *,
    fp16: bool = True,
    target: ct.target | None = None,
) -> Path:
    program = store(export(model, architecture), weights)
    target = target or deployment_target(weights)
    return save(convert_program(program, architecture, fp16=fp16, target=target), folder)


def by_hand(model: nn.Module, weights: Weights) -> nn.Module:
    changed = copy.deepcopy(model)
    for name, parameter in changed.named_parameters():
        if name in weights:
            parameter.data = torch.from_numpy(weights[name].dequantize())
    return changed


def holds(path: Path, weights: Weights) -> bool:
    """Returns whether every function of a package holds every weight as given."""
    return all(
        any(
            isinstance(each.weight, QuantizedWeight) and is_same(each.weight, weight)
            for each in matrices
        )
        for matrices in backend.read_matrices(path).values()
        for weight in weights.values()
    )


def held_by(path: Path, weight: str) -> Any:
    """Returns the operation that holds a weight; the converter names it after the weight."""
    prefix = f"p_{weight.replace('.', '_')}"
    operations = read_program(path).functions["main"].operations
    (found,) = (op for op in operations if op.name in (prefix, f"{prefix}_cast_fp16"))
    return found


@pytest.fixture(scope="module", params=[ct.target.iOS17, ct.target.iOS18], ids=["iOS17", "iOS18"])
def eight_bits(request: Any, small_student: nn.Module, tmp_path_factory: Any) -> Built:
    weights = quantized(small_student, bits=8)
    folder = tmp_path_factory.mktemp("eight")
    return build(small_student, "distilbert", weights, folder, target=request.param), weights


@pytest.fixture(scope="module")
def four_bits(small_student: nn.Module, tmp_path_factory: Any) -> Built:
    weights = quantized(small_student, bits=4, group_size=32)
    return build(small_student, "distilbert", weights, tmp_path_factory.mktemp("four")), weights


@pytest.fixture(scope="module")
def mixed_bits(small_student: nn.Module, tmp_path_factory: Any) -> Built:
    weights = mixed(small_student)
    return build(small_student, "distilbert", weights, tmp_path_factory.mktemp("mixed")), weights


# What the package holds ------------------------------------------------------------------------


def test_eight_bit_integers_and_scales_read_back_as_given(eight_bits: Built) -> None:
    path, weights = eight_bits

    for name, weight in weights.items():
        held = held_by(path, name)
        is_old = held.op_type == "constexpr_affine_dequantize"
        values = held.quantized_data if is_old else held.data
        assert values.dtype == types.int8
        np.testing.assert_array_equal(values.val, weight.values)
        scales = held.scale.val.reshape(-1, 1)
        np.testing.assert_array_equal(scales, weight.scales.astype(np.float16))
    assert holds(path, weights)


def test_four_bit_integers_and_scales_read_back_and_expand_exactly(four_bits: Built) -> None:
    path, weights = four_bits

    for name, weight in weights.items():
        held = held_by(path, name)
        assert (held.data.dtype, held.scale.dtype) == (types.int4, types.fp16)
        assert held.offset is None
        np.testing.assert_array_equal(held.data.val.astype(np.int8), weight.values)
        np.testing.assert_array_equal(held.scale.val, weight.scales)
        np.testing.assert_array_equal(held.materialized_val_inference(), weight.dequantize())
    assert holds(path, weights)


def test_least_four_bit_integer_reads_back(small_student: nn.Module, tmp_path: Path) -> None:
    """Only calibrated weights use it: their scales may be such that -8 reaches the largest."""
    matrix = matrices(small_student)[f"model.{QUERY}"]
    moment = np.eye(matrix.shape[1])
    weight = quantize(matrix, bits=4, group_size=32, second_moment=moment)
    assert weight.values.min() == -8

    path = build(small_student, "distilbert", {QUERY: weight}, tmp_path)

    held = held_by(path, f"model.{QUERY}")
    np.testing.assert_array_equal(held.data.val.astype(np.int8), weight.values)
    np.testing.assert_array_equal(held.materialized_val_inference(), weight.dequantize())


def test_weights_without_sign_or_of_almost_nothing_read_back(
    small_student: nn.Module, tmp_path: Path
) -> None:
    """Without a negative value coremltools stores unsigned integers; tiny scales leave fp16."""
    matrix = np.abs(matrices(small_student)[f"model.{QUERY}"])
    matrix[0], matrix[1] = 0, 1e-9
    weights = {
        QUERY: quantize(matrix, bits=4, group_size=32),
        QUERY.replace("q_lin", "k_lin"): quantize(matrix, bits=8),
        QUERY.replace("q_lin", "v_lin"): quantize(np.zeros_like(matrix), bits=8),
    }

    path = build(small_student, "distilbert", weights, tmp_path)

    assert holds(path, weights)
    outputs = CoreMLReference(path).run(make_inputs("distilbert"))
    assert all(np.isfinite(logits).all() for logits in outputs.values())


def test_mixed_recipe_keeps_the_operators_and_the_other_weights(
    mixed_bits: Built, small_student: nn.Module, small_models: Any
) -> None:
    path, weights = mixed_bits

    tensors = {t.name: t.dtype for t in stored_tensors(read_program(path))}

    others = set(matrices(small_student)) - set(weights)
    assert len(others) == 3
    assert all(tensors[f"p_{name.replace('.', '_')}_to_fp16"] == "float16" for name in others)
    assert holds(path, weights)
    kinds = [
        [op.op_type for op in program.functions["main"].operations if "const" not in op.op_type]
        for program in (read_program(path), small_models[ct.target.iOS18]._mil_program)
    ]
    assert kinds[0] == kinds[1]


def test_sizes_are_those_of_the_integers_and_scales(four_bits: Built) -> None:
    path, weights = four_bits
    num_values = sum(weight.values.size for weight in weights.values())

    tensors = stored_tensors(read_program(path))

    assert sum(t.size_bytes for t in tensors if t.dtype == "int4") == num_values / 2
    num_floats = sum(t.size_bytes for t in tensors if t.dtype == "float16") / 2
    positions, vectors = SEQ_LEN * WIDTH, 2 * (8 * WIDTH + 2 * WIDTH) + 2 * WIDTH + 2
    assert num_floats == pytest.approx(num_values / 32 + positions + vectors, rel=0.03)


# What it answers -------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_mixed_fp32_package_answers_like_pytorch_with_dequantized_weights(
    architecture: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    student = WithMask(ARCHITECTURES[architecture]()).eval()
    weights = mixed(student)

    path = build(student, architecture, weights, tmp_path, fp16=False)

    assert holds(path, weights)
    assert all(
        (held_by(path, name).scale.val == weight.scales).all() for name, weight in weights.items()
    )
    inputs = make_inputs(architecture)
    expected = run_pytorch(by_hand(student, weights), inputs)
    assert worst(CoreMLReference(path).run(inputs), expected) < FP32_TOLERANCE * largest(expected)
    change = worst(run_pytorch(student, inputs), expected)
    assert change > 1000 * FP32_TOLERANCE * largest(expected)


def test_fp16_package_answers_like_pytorch_with_dequantized_weights(
    four_bits: Built, small_student: nn.Module
) -> None:
    path, weights = four_bits
    reference = CoreMLReference(path)
    changed = by_hand(small_student, weights)
    inputs = [make_inputs("distilbert", seed=seed) for seed in range(5)]

    actual = [reference.run(row) for row in inputs]
    expected = [run_pytorch(changed, row) for row in inputs]

    for name in OUTPUT_NAMES:
        logits = [np.concatenate([row[name] for row in rows]) for rows in (actual, expected)]
        assert snr_db(actual=logits[0], reference=logits[1]) > FP16_SNR_DB


def test_package_answers_like_the_same_package_decompressed_by_coremltools(
    mixed_bits: Built, tmp_path: Path
) -> None:
    path, _ = mixed_bits
    model = ct.models.MLModel(str(path), skip_model_load=True)

    plain = save(cto.decompress_weights(model), tmp_path)

    operations = read_program(plain).functions["main"].operations
    assert not any(op.op_type.startswith("constexpr") for op in operations)
    inputs = make_inputs("distilbert")
    outputs = CoreMLReference(path).run(inputs)
    assert worst(outputs, CoreMLReference(plain).run(inputs)) == 0


# Builds ----------------------------------------------------------------------------------------


def test_lengths_of_one_package_share_every_stored_weight(
    mixed_bits: Built, small_student: nn.Module, tmp_path: Path
) -> None:
    longer, weights = mixed_bits
    program = store(export(small_student, "distilbert", seq_len=8), weights)
    shorter = save(
        convert_program(
            program, "distilbert", fp16=True, target=ct.target.iOS18, shape=(1, 8)
        ),
        tmp_path,
    )  # fmt: skip
    functions = ct.utils.MultiFunctionDescriptor()
    functions.add_function(str(shorter), "main", "short")
    functions.add_function(str(longer), "main", "long")
    functions.default_function_name = "long"
    both = tmp_path / "both.mlpackage"

    ct.utils.save_multifunction(functions, str(both))

    assert holds(both, weights)
    weight_file = "Data/com.apple.CoreML/weights/weight.bin"
    growth_bytes = (both / weight_file).stat().st_size - (longer / weight_file).stat().st_size
    assert growth_bytes <= 8 * WIDTH * 2 + 256  # the shorter length's positions, and headers
    inputs = make_inputs("distilbert", seq_len=8)
    outputs = CoreMLReference(both, function="short").run(inputs)
    assert worst(outputs, CoreMLReference(shorter).run(inputs)) == 0


def test_quantized_position_table_is_not_folded(small_student: nn.Module, tmp_path: Path) -> None:
    table = small_student.get_parameter(f"model.{POSITIONS}").detach().numpy()
    weights = {POSITIONS: quantize(table, bits=8)}
    inputs = make_inputs("distilbert")

    path = build(small_student, "distilbert", weights, tmp_path, fp16=False)

    assert holds(path, weights)
    changed = by_hand(small_student, {f"model.{POSITIONS}": weights[POSITIONS]})
    expected = run_pytorch(changed, inputs)
    assert worst(CoreMLReference(path).run(inputs), expected) < FP32_TOLERANCE * largest(expected)


def test_equal_builds_are_equal_bytes(
    mixed_bits: Built, small_student: nn.Module, tmp_path: Path
) -> None:
    once, weights = mixed_bits
    again = build(small_student, "distilbert", weights, tmp_path)

    contents = []
    for path in (shutil.copytree(once, tmp_path / "once.mlpackage"), again):
        convert._settle_bytes(path)
        files = sorted(file for file in path.rglob("*") if file.is_file())
        contents.append([(file.relative_to(path), file.read_bytes()) for file in files])

    assert contents[0] == contents[1]
    # That of both is the same unless midnight lies between them.
    assert b"conversion_date" in next(once.rglob("*.mlmodel")).read_bytes()
    assert not any(b"conversion_date" in content for _, content in contents[0])


def test_store_leaves_the_program_alone(small_student: nn.Module) -> None:
    program = export(small_student, "distilbert")
    before = {name: tensor.clone() for name, tensor in program.state_dict.items()}

    store(program, mixed(small_student))

    assert list(program.state_dict) == list(before)
    assert all(torch.equal(program.state_dict[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"bits": 8}, ct.target.iOS17),
        ({"bits": 4}, ct.target.iOS18),
        ({"bits": 4, "group_size": 32}, ct.target.iOS18),
        ({"bits": 8, "group_size": 32}, ct.target.iOS18),
    ],
)
def test_deployment_target_is_the_oldest_that_holds_all_weights(
    setting: dict[str, int], expected: ct.target
) -> None:
    weights = {
        "first": quantize(np.ones((2, 64), np.float32), bits=8),
        "second": quantize(np.ones((2, 64), np.float32), **setting),
    }

    assert deployment_target(weights) == expected


# What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["one integer", "one scale", "float"])
def test_weight_that_is_not_as_given_is_found_out(
    four_bits: Built, small_package: Path, fault: str
) -> None:
    path, weights = four_bits
    weight = weights[f"model.{QUERY}"]
    values, scales = weight.values.copy(), weight.scales.copy()
    if fault == "one integer":
        values[3, 5] += 1 if values[3, 5] < 0 else -1
    if fault == "one scale":
        scales[3, 1] *= 1.01
    given = dataclasses.replace(weight, values=values, scales=scales)

    assert holds(path, {QUERY: weight})
    assert not holds(small_package if fault == "float" else path, {QUERY: given})


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("distilbert.pooler.weight", (64, 64), "no weights are called 'distilbert.pooler.weight'"),
        ("attention.q_lin.weight", (64, 64), "2 weights are called 'attention.q_lin.weight'"),
        ("distilbert.embeddings.LayerNorm", (64, 64), "no weights"),
        (QUERY, (64, 32), r"has shape \(64, 64\), its quantized values have \(64, 32\)"),
        (EMBEDDING, (64, 64), r"has shape \(120, 64\), its quantized values have \(64, 64\)"),
    ],
)
def test_weight_that_the_program_does_not_have_is_refused(
    small_student: nn.Module, name: str, shape: tuple[int, int], message: str
) -> None:
    weight = quantize(np.ones(shape, np.float32), bits=8)

    with pytest.raises(InputError, match=message):
        store(export(small_student, "distilbert"), {name: weight})
