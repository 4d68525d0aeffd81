"""Faults of artifacts that fuzzing found, each planted by the schema of its format."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from converters import backends
from converters.values.errors import InputError
from converters.weights.quantized import QuantizedWeight
from pipeline import inspection
from tests.fuzz.mutate import CORPUS

BACKENDS = {".pte": "executorch", ".tflite": "tflite", ".mlpackage": "coreml"}


def refused(path: Path, match: str) -> None:
    backend = backends.backend(BACKENDS[path.suffix])
    for read in (backend.inspect, backend.read_matrices):
        with pytest.raises(InputError, match=match) as caught:
            read(path)
        assert str(path) in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.pte")) + sorted(CORPUS.glob("*.tflite")))
def test_file_that_is_cut_off_is_refused(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes().rstrip(b"\0")
    cut = tmp_path / path.name
    for size in (0, 3, 7, 8, 40, *(len(content) * part // 4 for part in (1, 2, 3))):
        cut.write_bytes(content[:size])
        refused(cut, "cannot be read as")


@pytest.mark.parametrize("suffix", BACKENDS)
def test_artifact_that_is_absent_is_refused(suffix: str, tmp_path: Path) -> None:
    refused(tmp_path / f"absent{suffix}", "is not a file|does not exist")


@pytest.mark.parametrize("suffix", [".pte", ".tflite"])
def test_folder_in_place_of_an_artifact_is_refused(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"folder{suffix}").mkdir()
    refused(tmp_path / f"folder{suffix}", "is not a file")


def first_linear(model: Any) -> Any:
    """Returns the operator of a linear layer."""
    codes = [code.builtinCode for code in model.operatorCodes]
    linear = codes.index(schema.BuiltinOperator.FULLY_CONNECTED)
    return next(each for each in model.subgraphs[0].operators if each.opcodeIndex == linear)


def take(model: Any, place: int, number: int) -> None:
    linear = first_linear(model)
    linear.inputs = linear.inputs.copy()
    linear.inputs[place] = number


def leave_out_the_weight(model: Any) -> None:
    take(model, 1, -1)


def take_a_tensor_of_no_number(model: Any) -> None:
    take(model, 0, len(model.subgraphs[0].tensors))


def compute_nothing(model: Any) -> None:
    first_linear(model).outputs = np.array([], np.int32)


def reshape(model: Any, shape: list[int]) -> None:
    computed = model.subgraphs[0].tensors[first_linear(model).outputs[0]]
    computed.shape = np.array(shape, np.int32)


def grow_beyond_all_memory(model: Any) -> None:
    reshape(model, [1, 2**30, 2**10])


def shrink_below_nothing(model: Any) -> None:
    reshape(model, [1, -1, 32])


def write(model: Any, path: Path) -> None:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (leave_out_the_weight, "takes what is no tensor"),
        (take_a_tensor_of_no_number, "takes what is no tensor"),
        (compute_nothing, "gives what is no tensor"),
        (grow_beyond_all_memory, "a tensor has the shape"),
        (shrink_below_nothing, "a tensor has the shape"),
    ],
)
def test_tflite_graph_that_would_crash_litert_is_refused(
    tmp_path: Path, change: Callable[[Any], None], match: str
) -> None:
    model = schema.ModelT.InitFromPackedBuf((CORPUS / "fp32.tflite").read_bytes(), 0)
    change(model)
    path = tmp_path / "model.tflite"
    write(model, path)
    refused(path, match)
    with pytest.raises(InputError, match=match):
        inspection.inspect(path)


def test_tflite_operator_whose_inputs_are_gone_crashes_litert_alone(tmp_path: Path) -> None:
    """LiteRT reads beyond the list of its inputs, which is a crash or an error, by chance."""
    model = schema.ModelT.InitFromPackedBuf((CORPUS / "fp32.tflite").read_bytes(), 0)
    for graph in model.subgraphs:
        for operator in graph.operators:
            operator.inputs = []
    path = tmp_path / "model.tflite"
    write(model, path)
    with pytest.raises(InputError, match="cannot be read as a TFLite model: "):
        inspection.inspect(path)


def test_tflite_linear_layer_may_lack_its_bias(tmp_path: Path) -> None:
    model = schema.ModelT.InitFromPackedBuf((CORPUS / "fp32.tflite").read_bytes(), 0)
    take(model, 2, -1)
    path = tmp_path / "model.tflite"
    write(model, path)
    assert backends.backend("tflite").inspect(path).num_macs > 0


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CORPUS / "fp32.mlpackage", tmp_path / "model.mlpackage"))


@pytest.mark.parametrize(
    ("place", "match"),
    [
        ("../../outside", "is no manifest of a Core ML package"),
        ("com.apple.CoreML/../../../outside", "is no manifest of a Core ML package"),
        ("/etc/hostname", "is no manifest of a Core ML package"),
        ("a\0b", "is no manifest|does not exist|cannot be read"),
        ("x" * 5000, "no such path"),
        ("", "does not exist"),
        ([], "is no manifest of a Core ML package"),
        (None, "is no manifest of a Core ML package"),
    ],
)  # fmt: skip
def test_package_whose_manifest_names_no_file_of_it_is_refused(
    package: Path, place: Any, match: str
) -> None:
    (package.parent / "outside").write_bytes(b"")
    manifest = package / "Manifest.json"
    content = json.loads(manifest.read_text())
    content["itemInfoEntries"][content["rootModelIdentifier"]]["path"] = place
    manifest.write_text(json.dumps(content))
    refused(package, match)


def test_package_whose_manifest_nests_without_end_is_refused(package: Path) -> None:
    (package / "Manifest.json").write_text("[" * 100_000)
    refused(package, "is no manifest of a Core ML package")


@pytest.mark.parametrize("shape", [(3, 1), (4, 3), (4, 0), (0, 1)])
def test_weight_whose_scales_do_not_fit_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="scales of shape"):
        QuantizedWeight(values=np.zeros((4, 8), np.int8), scales=np.ones(shape), bits=8)


def test_weight_of_one_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="are no matrix"):
        QuantizedWeight(values=np.zeros(8, np.int8), scales=np.ones((8, 1)), bits=8)
