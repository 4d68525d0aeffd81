"""What tells one conversion from another, and what is left of those that fail."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from converters.conversion import NO_OPTIONS, BackendOptions
from converters.values.artifact import Artifact, TensorSpec
from converters.values.errors import GateError, InputError, PocketBertError, StorageError
from converters.weights.quantized import ModelWeights, quantize
from pipeline.conversion.convert import _unbuilt, conversion_key, pack, unpack
from pipeline.running.jobs import Outcome

WEIGHT = quantize(np.eye(4, 32, dtype=np.float32), bits=8)
WEIGHTS = ModelWeights(precision="int8", integers={"a": WEIGHT})


def test_whatever_decides_the_bytes_of_an_artifact_is_in_its_key() -> None:
    given = {"backend": "coreml", "program_hash": "p", "weights": WEIGHTS, "options": NO_OPTIONS}
    other = replace(WEIGHT, scales=WEIGHT.scales * 2)
    changes = [
        {},
        {"backend": "tflite"},
        {"program_hash": "q"},
        {"weights": replace(WEIGHTS, precision="auto")},
        {"weights": replace(WEIGHTS, integers={"b": WEIGHT})},
        {"weights": replace(WEIGHTS, integers={"a": other})},
        {"options": BackendOptions(compute_units="cpu-and-ne")},
    ]
    keys = [conversion_key(**{**given, **each}) for each in changes]  # type: ignore[arg-type]
    assert len(set(keys)) == len(keys)
    assert keys[0] == conversion_key(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["model.tflite", "model.mlpackage"])
def test_artifact_comes_out_of_the_cache_as_it_went_in(tmp_path: Path, name: str) -> None:
    root = tmp_path / "first" / name
    files = [root] if root.suffix == ".tflite" else [root / "a" / "b", root / "a.bin"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"bytes of {file.name}".encode() + b"\0\xff")
    artifact = Artifact(
        backend="tflite", precision="int8", path=root, seq_lens=(8, 16), activations="static",
        inputs=(TensorSpec(name="input_ids", artifact_name="0", dtype="int32"),),
        outputs=(TensorSpec(name="logits", artifact_name="1", dtype="float32"),),
        requires={"ios": "17.0"}, entry_points=("len_8", "len_16"), compute_units="cpu-only",
    )  # fmt: skip
    found = unpack(pack(artifact), tmp_path / "second")
    assert found == replace(artifact, path=tmp_path / "second" / name)
    for file in files:
        again = tmp_path / "second" / file.relative_to(tmp_path / "first")
        assert again.read_bytes() == file.read_bytes()


def failed(name: str, error: PocketBertError) -> Outcome[Artifact]:
    return Outcome(name=name, error=error, seconds=1.0, peak_rss_bytes=1)


def built(name: str) -> Outcome[Artifact]:
    made = Artifact(
        backend=name, precision="int8", path=Path(name), seq_lens=(8,), inputs=(), outputs=()
    )
    return Outcome(name=name, value=made, seconds=1.0, peak_rss_bytes=1)


def test_backend_that_fails_leaves_nothing_and_the_others_stay(tmp_path: Path) -> None:
    for name in ("tflite", "coreml"):
        (tmp_path / name).mkdir()
    outcomes = [failed("tflite", GateError("bad")), built("coreml")]
    (found,) = _unbuilt(["tflite", "coreml"], outcomes, tmp_path)
    assert (found.backend, found.error.message) == ("tflite", "bad")
    assert [each.name for each in tmp_path.iterdir()] == ["coreml"]


def test_full_disk_ends_a_build_though_another_backend_was_built(tmp_path: Path) -> None:
    outcomes = [built("tflite"), failed("coreml", StorageError("full"))]
    with pytest.raises(StorageError, match="full"):
        _unbuilt(["tflite", "coreml"], outcomes, tmp_path)


def test_build_in_which_all_fail_raises_the_kind_of_the_first_and_names_all(
    tmp_path: Path,
) -> None:
    outcomes = [failed("tflite", GateError("one")), failed("coreml", InputError("two"))]
    told = "no artifact could be built: tflite: one; coreml: two"
    with pytest.raises(GateError, match=told):
        _unbuilt(["tflite", "coreml"], outcomes, tmp_path)
