"""What names the result of a stage: all that went into it, and nothing else."""

import copy
import dataclasses
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters import backends
from converters.conversion import BackendOptions, Conversion
from converters.values.artifact import Artifact
from converters.values.precision import FixedPrecision
from converters.values.program import TracedModel
from converters.weights.quantized import ModelWeights
from pipeline.comparison import kept_runs, runtimes
from pipeline.conversion.convert import _PACKAGES_BESIDE, conversion_key
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.running import fingerprint
from pipeline.student.load import Student, load
from pipeline.student.trace import trace

KERNEL = "distilbert.transformer.layer.0.ffn.lin1.weight"


@pytest.fixture(scope="module")
def student(students: dict[str, Student]) -> Student:
    return students["distilbert"]


@pytest.fixture(scope="module")
def traced(student: Student) -> TracedModel:
    return trace(student, seq_lens=(32,))


@pytest.fixture(scope="module")
def weights(traced: TracedModel) -> ModelWeights:
    return Quantizer(traced.matrices()).model_weights(recipe_of("int8"))


def key_of(traced: TracedModel, weights: ModelWeights, **changes: Any) -> str:
    arguments = {"backend": "coreml", "compute_units": "all", **changes}
    return conversion_key(
        arguments["backend"],
        fingerprint.of_trace(traced),
        weights=weights,
        options=BackendOptions(compute_units=arguments["compute_units"]),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(4, np.int8), np.zeros(4, np.uint8)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array([0.0]), np.array([-0.0])),
        (np.array([1.0], np.float32), np.nextafter(np.array([1.0], np.float32), np.float32(2))),
        ("1", 1),
        (1, 1.0),
        (True, 1),
        (None, "None"),
        (["ab", "c"], ["a", "bc"]),
        ([["a"], "b"], [["a", "b"]]),
        ({"a": "b"}, ["a", "b"]),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        (ModelWeights(precision="int8"), ModelWeights(precision="int4")),
    ],
)
def test_fingerprint_of_what_differs_differs(one: Any, other: Any) -> None:
    assert fingerprint.fingerprint(one) != fingerprint.fingerprint(other)
    assert fingerprint.fingerprint(one) == fingerprint.fingerprint(copy.deepcopy(one))


def test_fingerprint_of_a_transposed_array_is_that_of_its_values() -> None:
    array = np.arange(6.0).reshape(2, 3)
    copied = np.ascontiguousarray(array.T)
    assert fingerprint.fingerprint(array.T) == fingerprint.fingerprint(copied)


def test_fingerprint_of_a_path_is_that_of_what_lies_there(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name / "inside").mkdir(parents=True)
        (tmp_path / name / "inside" / "file").write_bytes(b"same")
    one, other = (tmp_path / name for name in ("one", "other"))
    assert fingerprint.fingerprint(one) == fingerprint.fingerprint(other)
    (other / "inside" / "file").rename(other / "inside" / "renamed")
    assert fingerprint.fingerprint(one) != fingerprint.fingerprint(other)
    (other / "inside" / "renamed").rename(other / "inside" / "file")
    (other / "inside" / "file").write_bytes(b"samE")
    assert fingerprint.fingerprint(one) != fingerprint.fingerprint(other)


def test_fingerprint_of_what_it_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="no fingerprint is defined for a set"):
        fingerprint.fingerprint({"names": {"a", "b"}})


def test_conversion_key_of_the_same_student_elsewhere_is_the_same(
    student_folder: Path, traced: TracedModel, weights: ModelWeights, tmp_path: Path
) -> None:
    moved = load(str(shutil.copytree(student_folder, tmp_path / "another name")))
    again = trace(moved, seq_lens=(32,))
    same = Quantizer(again.matrices()).model_weights(recipe_of("int8"))
    assert key_of(again, same) == key_of(traced, weights)
    assert fingerprint.of_model(moved.model) == fingerprint.of_model(
        load(str(student_folder)).model
    )


def test_conversion_key_changes_with_one_weight(
    student: Student, traced: TracedModel, weights: ModelWeights
) -> None:
    model = copy.deepcopy(student.model)
    with torch.no_grad():
        value = model.get_parameter(KERNEL).view(-1)[:1]
        value.copy_(torch.nextafter(value, torch.ones(1)))
    changed = dataclasses.replace(student, model=model)
    # The integers of int8 are as before: only the program tells them apart.
    assert key_of(trace(changed, seq_lens=(32,)), weights) != key_of(traced, weights)
    assert fingerprint.of_model(changed.model) != fingerprint.of_model(student.model)


@pytest.mark.parametrize("seq_lens", [(31,), (32, 64)])
def test_conversion_key_changes_with_the_lengths(
    student: Student, traced: TracedModel, weights: ModelWeights, seq_lens: tuple[int, ...]
) -> None:
    assert key_of(trace(student, seq_lens=seq_lens), weights) != key_of(traced, weights)


def test_conversion_key_changes_with_a_constant_of_the_graph(
    student: Student, traced: TracedModel, weights: ModelWeights
) -> None:
    model = copy.deepcopy(student.model)
    model.distilbert.embeddings.LayerNorm.eps *= 2
    changed = trace(dataclasses.replace(student, model=model), seq_lens=(32,))
    assert key_of(changed, weights) != key_of(traced, weights)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int4"])
def test_conversion_key_changes_with_the_precision(
    traced: TracedModel, weights: ModelWeights, precision: FixedPrecision
) -> None:
    others = Quantizer(traced.matrices()).model_weights(recipe_of(precision))
    assert key_of(traced, others) != key_of(traced, weights)


def test_conversion_key_changes_with_backend_and_compute_units(
    traced: TracedModel, weights: ModelWeights
) -> None:
    keys = {key_of(traced, weights, backend=name) for name in backends.BACKENDS}
    keys.add(key_of(traced, weights, compute_units="cpu-and-ne"))
    assert len(keys) == len(backends.BACKENDS) + 1


@pytest.mark.parametrize(
    ("package", "changed"),
    [
        ("coremltools", {"coreml"}),
        ("executorch", {"executorch"}),
        ("torchao", {"executorch"}),
        ("litert_torch", {"tflite"}),
        ("litert-converter", {"tflite"}),
        ("torch", {"executorch", "tflite", "coreml"}),
        ("matplotlib", set()),
    ],
)
def test_conversion_key_changes_with_the_packages_that_make_the_file(
    traced: TracedModel,
    weights: ModelWeights,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    changed: set[str],
) -> None:
    def keys() -> dict[str, str]:
        return {name: key_of(traced, weights, backend=name) for name in backends.BACKENDS}

    before, version = keys(), metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "99.0" if name == package else version(name)
    )
    assert {name for name, key in keys().items() if key != before[name]} == changed


def test_packages_that_conversion_keys_name_are_installed() -> None:
    named = [name for names in _PACKAGES_BESIDE.values() for name in names]
    named += [name for names in backends.BACKENDS.values() for name in names]
    assert None not in fingerprint.versions(named).values()
    assert fingerprint.versions(["no-such-package"]) == {"no-such-package": None}
    assert set(_PACKAGES_BESIDE) == set(backends.BACKENDS)


def test_conversion_key_changes_with_the_sources_of_every_room(
    traced: TracedModel, weights: ModelWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = shutil.ignore_patterns("embedded", "__pycache__")
    assert {folder.name for folder in fingerprint.SOURCES} == {"pipeline", "converters"}
    rooms = {path.parent for folder in fingerprint.SOURCES for path in folder.rglob("*.py")}
    keys = []
    for number, room in enumerate([None, *sorted(rooms)]):
        place = tmp_path / str(number)
        folders = {
            source: Path(shutil.copytree(source, place / source.name, ignore=names))
            for source in fingerprint.SOURCES
        }
        for source, copied in folders.items():
            if room is not None and room.is_relative_to(source):
                changed = copied / room.relative_to(source) / "__init__.py"
                changed.write_text(changed.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        with monkeypatch.context() as patch:
            patch.setattr(fingerprint, "SOURCES", tuple(folders.values()))
            keys.append(key_of(traced, weights))
        shutil.rmtree(place)
    assert keys[0] == key_of(traced, weights)
    assert len(set(keys)) == len(keys) == 1 + len(rooms) > 20


def test_conversion_key_changes_with_the_machine(
    traced: TracedModel, weights: ModelWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of(traced, weights)
    monkeypatch.setattr(fingerprint, "machine", lambda: ("linux", "riscv64"))
    assert key_of(traced, weights) != before


def test_run_key_changes_with_the_file_the_rows_the_threads_and_the_runtime(
    traced: TracedModel, tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"not a model, but nobody runs it")
    conversion = Conversion(traced=traced, weights=ModelWeights(precision="fp32"), path=path)
    artifact = conversion.artifact("tflite", requires={}, entry_points=["len_16"])
    row = {"input_ids": np.ones((1, 16), np.int32), "attention_mask": np.ones((1, 16), np.int32)}

    def key(artifact: Artifact = artifact, name: str = "litert", rows: Any = (row,)) -> str:
        return kept_runs.kept_run(runtimes.job(artifact, name, rows, num_threads=1)).key

    copied = tmp_path / "copied.tflite"
    copied.write_bytes(artifact.path.read_bytes())
    assert key(dataclasses.replace(artifact, path=copied)) == key()
    with copied.open("ab") as file:
        file.write(b"\0")
    other_row = {**row, "input_ids": np.full((1, 16), 2, np.int32)}
    more_threads = runtimes.job(artifact, "litert", (row,), num_threads=2)
    keys = {
        key(),
        key(dataclasses.replace(artifact, path=copied)),
        key(dataclasses.replace(artifact, outputs=artifact.outputs[::-1])),
        key(name="tensorflow"),
        key(rows=(row, row)),
        key(rows=(other_row,)),
        kept_runs.kept_run(more_threads).key,
    }
    assert len(keys) == 7
