"""Faults planted in real files and conversions of every backend: the audit finds each of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from converters import backends
from converters.values.artifact import Artifact
from converters.values.precision import FIXED_PRECISIONS, FixedPrecision
from converters.weights.quantized import ModelWeights
from pipeline.conversion.audit import find_problems
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.student.load import Student
from pipeline.student.trace import trace
from tests.converters.conversion import SEQ_LENS, convert_all

Artifacts = dict[str, dict[FixedPrecision, Artifact]]

EMBEDDING = "model.distilbert.embeddings.word_embeddings.weight"
QUERY = "model.distilbert.transformer.layer.1.attention.q_lin.weight"
FLOAT = {"executorch": ("float32", 4), "tflite": ("float32", 4), "coreml": ("float16", 2)}
"""What a backend leaves a weight in that it does not store as integers, and its bytes."""


@pytest.fixture(scope="module")
def originals(students: dict[str, Student]) -> dict[str, np.ndarray]:
    return trace(students["distilbert"], seq_lens=SEQ_LENS).matrices()


@pytest.fixture(scope="module")
def weights(originals: dict[str, np.ndarray]) -> dict[FixedPrecision, ModelWeights]:
    quantizer = Quantizer(originals)
    return {each: quantizer.model_weights(recipe_of(each)) for each in FIXED_PRECISIONS}


@pytest.fixture(scope="module", params=backends.BACKENDS)
def incomplete(
    request: pytest.FixtureRequest,
    students: dict[str, Student],
    tmp_path_factory: pytest.TempPathFactory,
) -> Artifact:
    """An int8 artifact that was converted without the integers of two weights."""
    folder = tmp_path_factory.mktemp("incomplete")
    return convert_all(
        students["distilbert"], request.param, ("int8",), folder, seq_lens=SEQ_LENS,
        left_out=(EMBEDDING, QUERY),
    )["int8"]  # fmt: skip


@pytest.mark.parametrize("precision", FIXED_PRECISIONS)
@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_artifact_holds_what_its_precision_promises(
    artifacts: Artifacts, weights, originals, backend: str, precision: FixedPrecision
) -> None:
    stored = backends.backend(backend).read_matrices(artifacts[backend][precision].path)
    assert len(stored) == (1 if backend == "executorch" else len(SEQ_LENS))
    assert find_problems(stored, weights=weights[precision], originals=originals) == []


def test_embedding_and_layer_that_were_left_in_floats_are_named_with_their_bytes(
    incomplete: Artifact, weights, originals
) -> None:
    stored = backends.backend(incomplete.backend).read_matrices(incomplete.path)
    dtype, size = FLOAT[incomplete.backend]
    assert set(find_problems(stored, weights=weights["int8"], originals=originals)) == {
        f"{EMBEDDING} stayed in {dtype}, {800 * 64 * size:,} bytes",
        f"{QUERY} stayed in {dtype}, {64 * 64 * size:,} bytes",
    }
    # Nor do integers that nobody asked for make it an int8 file.
    integers = dict(weights["int8"].integers)
    del integers[EMBEDDING], integers[QUERY]
    asked = ModelWeights(precision="int8", integers=integers)
    assert len(find_problems(stored, weights=asked, originals=originals)) == 2


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_weights_of_another_precision_are_told(
    artifacts: Artifacts, weights, originals, backend: str
) -> None:
    stored = backends.backend(backend).read_matrices(artifacts[backend]["int8"].path)
    problems = find_problems(stored, weights=weights["int4"], originals=originals)
    assert f"{EMBEDDING} is stored in 8 bits instead of 4" in problems
    stored = backends.backend(backend).read_matrices(artifacts[backend]["fp32"].path)
    problems = find_problems(stored, weights=weights["fp16"], originals=originals)
    assert {problem.split()[0] for problem in problems} == set(originals)
    assert all("stayed in float32" in problem for problem in problems)


@pytest.mark.parametrize("name", [EMBEDDING, QUERY])
@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_changed_integer_in_a_finished_file_is_found_out(
    artifacts: Artifacts, weights, originals, backend: str, name: str, tmp_path: Path
) -> None:
    given = weights["int8"].integers[name]
    changed = given.values.copy()
    changed[3, 5] += 2 if changed[3, 5] < 0 else -2
    path = edited(artifacts[backend]["int8"], tmp_path, old=given.values, new=changed)
    stored = backends.backend(backend).read_matrices(path)
    (problem,) = find_problems(stored, weights=weights["int8"], originals=originals)
    assert problem == f"{name} is stored with values up to 2 steps off"


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_changed_scale_in_a_finished_file_is_found_out(
    artifacts: Artifacts,
    weights,
    originals,
    backend: str,
    precision: FixedPrecision,
    tmp_path: Path,
) -> None:
    given = weights[precision].integers[QUERY]
    scales = given.scales.copy()
    scales[3, 0] *= 2
    old, new = (
        as_stored(each, backend=backend, bits=given.bits) for each in (given.scales, scales)
    )
    path = edited(artifacts[backend][precision], tmp_path, old=old, new=new)
    stored = backends.backend(backend).read_matrices(path)
    (problem,) = find_problems(stored, weights=weights[precision], originals=originals)
    assert problem.startswith(f"{QUERY} is stored with values up to ")
    assert problem.endswith("steps off")


def test_tflite_weight_that_was_turned_back_into_a_float_is_found_out(
    artifacts: Artifacts, weights, originals, tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    model = flatbuffer_utils.read_model(artifacts["tflite"]["int8"].path)
    floats = weights["int8"].integers[QUERY].dequantize()
    (tensor,) = (each for each in model.subgraphs[1].tensors if each.name.decode() == QUERY)
    model.buffers.append(schema.BufferT(data=floats.reshape(-1).view(np.uint8)))
    tensor.buffer = len(model.buffers) - 1
    tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    flatbuffer_utils.write_model(model, path)
    stored = backends.backend("tflite").read_matrices(path)
    (problem,) = find_problems(stored, weights=weights["int8"], originals=originals)
    assert problem == f"{QUERY} stayed in float32, 16,384 bytes in {list(stored)[1]}"


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_inspect_tells_floats_and_arithmetic_from_the_file(
    artifacts: Artifacts, backend: str
) -> None:
    width, hidden, num_layers, num_outputs, seq_len = 64, 128, 2, 2, SEQ_LENS[-1]
    linear = num_layers * (4 * width * width + 2 * width * hidden) + width * num_outputs
    attention = num_layers * 2 * seq_len * width
    for precision, artifact in artifacts[backend].items():
        found = backends.backend(backend).inspect(artifact.path)
        assert found.num_macs == seq_len * (linear + attention)
        assert found.num_delegated_macs == (None if backend == "coreml" else found.num_macs)
        assert sum(found.bytes_by_dtype.values()) < 1.1 * found.size_bytes
        left = sum(tensor.size_bytes for tensor in found.float_tensors)
        if precision in ("int8", "int4"):
            # Norms and biases.
            assert left < 4 * (num_layers * (10 * width + hidden) + 2 * width + 32)
            assert any(tensor.is_scale for tensor in found.tensors)
        else:
            assert left > (2 if precision == "fp16" else 4) * (linear + 800 * width)


def test_inspect_of_an_incomplete_artifact_shows_the_floats_in_it(incomplete: Artifact) -> None:
    found = backends.backend(incomplete.backend).inspect(incomplete.path)
    dtype, size = FLOAT[incomplete.backend]
    largest = [(tensor.dtype, tensor.size_bytes) for tensor in found.float_tensors[:2]]
    assert largest == [(dtype, 800 * 64 * size), (dtype, 64 * 64 * size)]


def as_stored(scales: np.ndarray, *, backend: str, bits: int) -> np.ndarray:
    """Returns scales in the floats in which a backend's file has them."""
    if backend == "coreml" or (backend == "tflite" and bits == 4):
        return scales.astype(np.float16)
    if backend == "executorch" and bits == 4:
        return (scales.view(np.uint32) >> 16).astype(np.uint16)  # bfloat16
    return scales


def edited(artifact: Artifact, folder: Path, *, old: np.ndarray, new: np.ndarray) -> Path:
    """Returns a copy of an artifact with other bytes in the place of some that it holds once."""
    path = folder / artifact.path.name
    if artifact.path.is_dir():
        shutil.copytree(artifact.path, path)
    else:
        shutil.copy(artifact.path, path)
    files = [each for each in (path, *path.rglob("*")) if each.is_file()]
    (file,) = (each for each in files if old.tobytes() in each.read_bytes())
    content = file.read_bytes()
    assert content.count(old.tobytes()) == 1
    file.write_bytes(content.replace(old.tobytes(), new.tobytes()))
    return path
