"""Weights in a ``.tflite`` file: the very integers, and what both runtimes make of them."""

import copy
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from torch import nn

from converters.conversion import Conversion
from converters.tflite import inspection
from converters.tflite.convert import convert_fp32
from converters.tflite.weights import store
from converters.values.artifact import Artifact, entry_point_for
from converters.values.program import TracedModel
from converters.weights.quantized import ModelWeights, QuantizedWeight, StoredWeight, quantize
from pipeline.comparison.runtimes import run_student
from pipeline.conversion.metrics import snr_db
from pipeline.running.jobs import Job, run_jobs
from pipeline.student.emulation import round_per_token
from pipeline.student.load import Student
from pipeline.student.trace import trace
from tests.converters.conversion import random_rows, run

SEQ_LENS = (16, 48)
EMULATED_SNR_DB = 40.0
"""Where weights and activations are those of the runtime, only ties round differently."""
DYNAMIC_SNR_DB = 20.0
"""Random weights this large make far more noise of int8 activations than a trained student."""
EXACT_SNR_DB = 100.0
EMBEDDING = "distilbert.embeddings.word_embeddings.weight"
POSITIONS = "distilbert.embeddings.position_embeddings.weight"
LAYER = "distilbert.transformer.layer.{}."

Weights = dict[str, StoredWeight]


@pytest.fixture(scope="module")
def student(students: dict[str, Student]) -> Student:
    return with_gains(students["distilbert"])


@pytest.fixture(scope="module")
def exact(student: Student, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert_exact(student, tmp_path_factory.mktemp("exact"))


@pytest.fixture(scope="module")
def recipes(student: Student) -> dict[str, Weights]:
    """The weights of the student in each form that a file can hold, and mixed."""
    originals = matrices(student)
    linear = {name: each for name, each in originals.items() if "embeddings" not in name}
    tables = {name: each for name, each in originals.items() if "embeddings" in name}

    def all_as(weights: Mapping[str, np.ndarray], **form: int) -> Weights:
        return {name: quantize(each, **form) for name, each in weights.items()}

    half: Weights = {name: each.astype(np.float16) for name, each in originals.items()}
    rows4, groups4 = all_as(originals, bits=4), all_as(originals, bits=4, group_size=32)
    rows8 = all_as(originals, bits=8)
    calibrated: Weights = {
        name: quantize(each, bits=4, group_size=32, second_moment=np.eye(each.shape[1]))
        for name, each in linear.items()
    }
    mixed: Weights = {
        name: rows8[name] if LAYER.format(0) in name
        else groups4[name] if LAYER.format(1) in name
        else rows4[name] if name == EMBEDDING
        else half[name]
        for name in originals
    }  # fmt: skip
    return {
        "int8": rows8,
        "int4": rows4,
        "int4_g32": groups4,
        "int4_g32 with rows in tables": {**groups4, **{name: rows4[name] for name in tables}},
        "int4_g32 calibrated": {**groups4, **calibrated},
        "int4_g64": {**rows4, **all_as(linear, bits=4, group_size=64)},
        "fp16": half,
        "mixed": mixed,
    }


@pytest.fixture(scope="module")
def artifacts(
    student: Student,
    exact: Path,
    recipes: dict[str, Weights],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Artifact]:
    folder = tmp_path_factory.mktemp("stored")
    traced = trace(student, seq_lens=SEQ_LENS)
    made = {}
    for number, (name, weights) in enumerate(recipes.items()):
        path = folder / f"{number}.tflite"
        store(exact, weights, path, originals=matrices(student))
        conversion = Conversion(traced=traced, weights=ModelWeights(precision="int8"), path=path)
        entry_points = [entry_point_for(seq_len) for seq_len in SEQ_LENS]
        made[name] = conversion.artifact("tflite", requires={}, entry_points=entry_points)
    return made


RECIPES = (
    "int8", "int4", "int4_g32", "int4_g32 calibrated", "int4_g32 with rows in tables", "int4_g64",
    "fp16", "mixed",
)  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_file_holds_the_given_integers_scales_and_halves(
    artifacts: dict[str, Artifact], recipes: dict[str, Weights], recipe: str
) -> None:
    for stored in read_weights(artifacts[recipe].path, recipes[recipe]):
        for name, weight in recipes[recipe].items():
            if isinstance(weight, QuantizedWeight):
                assert stored[name].bits == weight.bits
                np.testing.assert_array_equal(stored[name].values, weight.values)
                np.testing.assert_array_equal(stored[name].scales, weight.scales)
            else:
                np.testing.assert_array_equal(stored[name], weight)


@pytest.mark.parametrize("recipe", RECIPES)
def test_signatures_share_weights_and_no_float_of_them_is_left(
    artifacts: dict[str, Artifact], recipes: dict[str, Weights], recipe: str
) -> None:
    model = flatbuffer_utils.read_model(artifacts[recipe].path)
    first, second = (
        {tensor.name.decode(): tensor.buffer for tensor in graph.tensors}
        for graph in model.subgraphs
    )
    assert all(first[name] == second[name] != 0 for name in recipes[recipe])
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {metadata.buffer for metadata in model.metadata}
    assert used | {0} == set(range(len(model.buffers)))
    floats = [
        model.buffers[tensor.buffer].data
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.type == schema.TensorType.FLOAT32
    ]
    # The largest that are left are the biases of the widest layer.
    assert max(len(data) for data in floats if data is not None) == 4 * 128


def test_constants_begin_at_multiples_of_sixteen_bytes(artifacts: dict[str, Artifact]) -> None:
    content = artifacts["mixed"].path.read_bytes()
    model = schema.Model.GetRootAs(content)
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        if not buffer.DataIsNone():
            assert buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0


def test_sizes_follow_the_bits(artifacts: dict[str, Artifact], student: Student) -> None:
    originals = matrices(student).values()
    values, rows = sum(each.size for each in originals), sum(len(each) for each in originals)
    sizes = {name: artifact.path.stat().st_size for name, artifact in artifacts.items()}
    # Each row has a scale and a zero point, 4 and 8 bytes, once for both signatures.
    assert sizes["fp16"] - sizes["int8"] == pytest.approx(values - 12 * rows, rel=0.15)
    assert sizes["int8"] - sizes["int4"] == pytest.approx(values / 2, rel=0.02)


@pytest.mark.parametrize("runtime", ["litert", "tensorflow"])
def test_runtimes_compute_with_the_stored_weights(
    artifacts: dict[str, Artifact], recipes: dict[str, Weights], student: Student, runtime: str
) -> None:
    rows = [
        row
        for seq_len in SEQ_LENS
        for row in random_rows(student, seq_len=seq_len, num_tokens=(seq_len, 9))
    ]
    outputs = run(artifacts, runtime, rows)
    for recipe, weights in recipes.items():
        plain = with_weights(student, weights, dynamic=False)
        dynamic = with_weights(student, weights, dynamic=True)
        least = EXACT_SNR_DB if recipe == "fp16" else DYNAMIC_SNR_DB
        assert snr(outputs[recipe], run_student(plain, rows).outputs) > least, recipe
        assert snr(outputs[recipe], run_student(dynamic, rows).outputs) > EMULATED_SNR_DB, recipe


def test_operators_have_the_versions_that_old_runtimes_refuse(
    artifacts: dict[str, Artifact],
) -> None:
    linear, lookup = (
        schema.BuiltinOperator.FULLY_CONNECTED, schema.BuiltinOperator.EMBEDDING_LOOKUP,
    )  # fmt: skip
    assert versions(artifacts["int8"].path)[linear] == {12}
    assert versions(artifacts["int8"].path)[lookup] == {4}
    assert versions(artifacts["int4_g32"].path)[linear] == {13}
    assert versions(artifacts["mixed"].path)[linear] == {5, 12, 13}
    assert versions(artifacts["fp16"].path)[lookup] == {1}
    assert least_runtime(artifacts["int4"].path) == "2.18.0"
    assert least_runtime(artifacts["int4_g32"].path) == "2.21.0"
    assert least_runtime(artifacts["fp16"].path) == "2.21.0"


def test_linear_layers_with_integers_are_delegated(artifacts: dict[str, Artifact]) -> None:
    counts = {}
    for recipe in ("int8", "int4", "int4_g32"):
        found = inspection.inspect(artifacts[recipe].path)
        counts[recipe] = found.num_ops - found.num_delegated_ops
    assert counts["int4"] == counts["int4_g32"] == counts["int8"]


@pytest.mark.parametrize(
    "architecture",
    [
        "electra",
        pytest.param("bert", marks=pytest.mark.soak),
        pytest.param("mobilebert", marks=pytest.mark.soak),
    ],
)
def test_every_encoder_keeps_its_weights_apart_from_its_norms(
    students: dict[str, Student], architecture: str, tmp_path: Path
) -> None:
    student = with_gains(students[architecture])
    exact = convert_exact(student, tmp_path)
    weights: Weights = {n: quantize(each, bits=8) for n, each in matrices(student).items()}
    store(exact, weights, tmp_path / "stored.tflite", originals=matrices(student))
    for stored in read_weights(tmp_path / "stored.tflite", weights):
        assert stored.keys() == weights.keys()


def test_store_weight_of_another_model_names_it(
    exact: Path, student: Student, tmp_path: Path
) -> None:
    originals = {EMBEDDING: matrices(student)[EMBEDDING] + 1}
    weights: Weights = {EMBEDDING: quantize(originals[EMBEDDING], bits=8)}
    with pytest.raises(ValueError, match="no constant with the values of distilbert"):
        store(exact, weights, tmp_path / "stored.tflite", originals=originals)
    assert not (tmp_path / "stored.tflite").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda matrix, weight: quantize(matrix, bits=4),
        lambda matrix, weight: dataclasses.replace(weight, scales=weight.scales * 2),
        lambda matrix, weight: dataclasses.replace(weight, values=-weight.values),
        lambda matrix, weight: matrix.astype(np.float16),
    ],
    ids=["bits", "scales", "values", "halves"],
)
def test_store_equal_weights_in_two_forms_is_refused(
    exact: Path, student: Student, tmp_path: Path, change: Callable[..., StoredWeight]
) -> None:
    matrix = matrices(student)[EMBEDDING]
    weight = quantize(matrix, bits=8)
    weights: Weights = {"a": weight, "b": change(matrix, weight)}
    with pytest.raises(ValueError, match="a and b are equal in PyTorch; store them alike"):
        store(exact, weights, tmp_path / "x.tflite", originals={"a": matrix, "b": matrix})


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (quantize(np.ones((2, 64), np.float32), bits=8, group_size=32), "8 bits in groups of 32"),
        (quantize(np.ones((2, 64), np.float32), bits=4, group_size=16), "groups of 16 columns"),
        (quantize(np.ones((2, 63), np.float32), bits=4), "63 columns"),
        (
            dataclasses.replace(
                quantize(np.ones((2, 64), np.float32), bits=4, group_size=32),
                scales=np.full((2, 2), 1e-6, np.float32),
            ),
            "scales that float16 cannot hold",
        ),
        (np.ones((2, 64), np.float64), "an array of float64"),
    ],
)
def test_store_form_that_no_kernel_computes_with_is_refused(
    exact: Path, tmp_path: Path, weight: StoredWeight, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        store(exact, {"a": weight}, tmp_path / "x.tflite", originals={})


def with_gains(student: Student) -> Student:
    """Returns the student with other gains and shifts than one and zero in its norms."""
    model = copy.deepcopy(student.model)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, each in model.named_parameters():
            if each.dim() == 1:
                each.copy_(torch.randn_like(each) * 0.3 + float("bias" not in name))
    return dataclasses.replace(student, model=model)


def matrices(student: Student) -> dict[str, np.ndarray]:
    state = student.model.state_dict()
    return {
        n: each.numpy() for n, each in state.items() if each.dim() == 2 and each.is_floating_point()
    }


def convert_exact(student: Student, folder: Path) -> Path:
    program, path = folder / "traced.pt2", folder / "exact.tflite"
    trace(student, seq_lens=SEQ_LENS).save(program)
    arguments = {"program": program, "path": path}
    run_jobs([Job(name="convert", function=convert_worker, arguments=arguments)], max_parallel=1)[
        0
    ].get()
    return path


def convert_worker(*, program: Path, path: Path) -> None:
    convert_fp32(TracedModel.load(program), path)


def with_weights(student: Student, weights: Weights, *, dynamic: bool) -> Student:
    """Returns the student with dequantized weights, its activations in int8 where asked for."""
    model = copy.deepcopy(student.model)
    state = model.state_dict()
    for name, weight in weights.items():
        values = weight.dequantize() if isinstance(weight, QuantizedWeight) else weight
        state[name].copy_(torch.from_numpy(values.astype(np.float32)))
    for name, module in model.named_modules():
        integers = isinstance(weights.get(f"{name}.weight"), QuantizedWeight)
        if dynamic and integers and isinstance(module, nn.Linear):
            module.register_forward_pre_hook(lambda _, inputs: (round_per_token(inputs[0]),))
    return dataclasses.replace(student, model=model)


def snr(actual: list[dict[str, np.ndarray]], reference: list[dict[str, np.ndarray]]) -> float:
    def joined(outputs: list[dict[str, np.ndarray]]) -> np.ndarray:
        return np.concatenate([row[name].ravel() for row in outputs for name in sorted(row)])

    return snr_db(actual=joined(actual), reference=joined(reference))


def read_weights(path: Path, names: Weights) -> list[dict[str, Any]]:
    """Returns what each signature of a file holds under these names, read by the schema."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    return [
        {
            tensor.name.decode(): read_weight(model, graph, tensor)
            for tensor in graph.tensors
            if tensor.name.decode() in names
        }
        for graph in model.subgraphs
    ]


def read_weight(model: Any, graph: Any, tensor: Any) -> Any:
    data = model.buffers[tensor.buffer].data
    if tensor.type == schema.TensorType.FLOAT16:
        return data.view(np.float16).reshape(tensor.shape)
    bits = {schema.TensorType.INT8: 8, schema.TensorType.INT4: 4}[tensor.type]
    values = data.view(np.int8)
    if bits == 4:
        # Shifts of signed bytes extend the sign.
        values = np.stack([values << 4 >> 4, values >> 4], axis=1)
    quantization = tensor.quantization
    if quantization.detailsType == schema.QuantizationDetails.BlockwiseQuantization:
        scales = graph.tensors[quantization.details.scales]
        assert scales.type == schema.TensorType.FLOAT16
        stored = model.buffers[scales.buffer].data.view(np.float16).astype(np.float32)
        assert quantization.details.blockSize * stored.size == np.prod(tensor.shape)
    else:
        assert quantization.quantizedDimension == 0 and not quantization.zeroPoint.any()
        stored = quantization.scale
    return QuantizedWeight(
        values=values.reshape(tensor.shape), scales=stored.reshape(tensor.shape[0], -1), bits=bits
    )


def versions(path: Path) -> dict[int, set[int]]:
    model = flatbuffer_utils.read_model(path)
    found: dict[int, set[int]] = {}
    for code in model.operatorCodes:
        found.setdefault(code.builtinCode, set()).add(code.version)
    return found


def least_runtime(path: Path) -> str:
    model = flatbuffer_utils.read_model(path)
    (metadata,) = (each for each in model.metadata if each.name == b"min_runtime_version")
    return bytes(model.buffers[metadata.buffer].data).rstrip(b"\0").decode()
