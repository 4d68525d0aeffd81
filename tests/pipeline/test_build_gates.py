"""A build judges by all gates that ``parity`` has, and writes what could be built."""

import functools
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from converters import backends
from converters.values.artifact import Artifact
from converters.values.errors import GateError, PocketBertError, StorageError
from converters.values.precision import FixedPrecision
from pipeline import build as flow
from pipeline.build import BuildResult
from pipeline.bundle.open import open_bundle, verify
from pipeline.commands import app
from pipeline.comparison.task_library import variant
from pipeline.comparison.verdict import FILE_NAME as PARITY_FILE
from pipeline.conversion import convert
from pipeline.conversion.convert import Unbuilt, convert_saved
from pipeline.conversion.recipe import recipe_of
from pipeline.packing.made import Made, with_task_library
from pipeline.parity import check_bundle
from pipeline.quantization.budget import Budget
from pipeline.running.jobs import WorkerCrash
from pipeline.student.load import Student
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.runs import quiet_run

EXAMPLES = labelled_questions()[:4]
Build = Callable[..., BuildResult]


@pytest.fixture
def build_at(student_folder: Path, tmp_path: Path) -> Build:
    def build_at(precision: FixedPrecision, **changes: Any) -> BuildResult:
        arguments = {
            "destination": tmp_path / "bundle",
            "recipe": recipe_of(precision),
            "seq_lens": (32,),
            "examples": EXAMPLES,
            "run": quiet_run(2),
            **changes,
        }
        return flow.build(str(student_folder), **arguments)

    return build_at


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_build_judges_by_the_gates_that_parity_has(
    build_at: Build, student_folder: Path, precision: FixedPrecision
) -> None:
    result = build_at(precision)
    with open_bundle(result.folder) as opened:
        found = check_bundle(
            opened, examples=EXAMPLES, named_reference=str(student_folder), run=quiet_run(2),
        )  # fmt: skip
    by_both = [
        {(each.backend, each.runtime): each.gates for each in verdicts}
        for verdicts in (result.parity, found.verdicts)
    ]
    assert {backend for backend, _ in by_both[0]} == set(backends.BACKENDS)
    names = {key: [gate.name for gate in gates] for key, gates in by_both[0].items()}
    assert names == {key: [gate.name for gate in gates] for key, gates in by_both[1].items()}
    assert by_both[0] == by_both[1]
    wanted = {"weights"} if precision == "fp32" else {"weights", "own_weights"}
    assert all(wanted <= set(own) for own in names.values())


def fail(
    *, backend: str, folder: Path, failing: Sequence[str], kind: str, **given: Any
) -> Artifact:
    """Converts, but not for some backends; the body of a worker."""
    if backend not in failing:
        return convert_saved(backend=backend, folder=folder, **given)
    folder.mkdir()
    (folder / "half").write_text("of a file")
    if kind == "crash":
        os.abort()
    raise {"gate": GateError, "disk": StorageError}[kind](f"no {backend} today", hint="wait")


@pytest.fixture
def fail_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def fail_at(*failing: str, kind: str = "gate") -> None:
        own = functools.partial(fail, failing=failing, kind=kind)
        monkeypatch.setattr(convert, "convert_saved", own)

    return fail_at


@pytest.mark.parametrize(("kind", "reason"), [("gate", "no coreml today"), ("crash", "SIGABRT")])
def test_build_of_which_one_backend_fails_writes_the_rest_and_ends_with_1(
    fail_at: Callable[..., None],
    student_folder: Path,
    squad_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    reason: str,
) -> None:
    fail_at("coreml", kind=kind)
    folder = tmp_path / "bundle"
    code = app.build(
        str(student_folder), output=folder, backend=["coreml", "tflite"], precision="fp32",
        seq_len="32", data=squad_file, no_cache=True, as_json=True,
    )  # fmt: skip
    assert code == 1
    found = json.loads(capsys.readouterr().out)
    assert [each["backend"] for each in found["artifacts"]] == ["tflite"]
    assert {each["verdict"] for each in found["parity"]} == {"pass"}
    reasons = {each["runtime"]: each["reason"] for each in found["skipped"]}
    assert set(reasons) == {"coreml-reference", "coreml"}
    assert all("could not be built" in each and reason in each for each in reasons.values())
    assert verify(folder).problems == ()
    assert not (folder / "coreml").exists()
    assert json.loads((folder / PARITY_FILE).read_bytes())["skipped"] == found["skipped"]
    with open_bundle(folder) as opened:
        assert [each.backend for each in opened.artifacts] == ["tflite"]


@pytest.mark.parametrize(
    ("failing", "kind", "error", "message"),
    [
        (("coreml",), "disk", StorageError, "no coreml today"),
        (("tflite", "coreml"), "gate", GateError, "tflite: no tflite today; coreml: no coreml"),
        (("tflite", "coreml"), "crash", WorkerCrash, "tflite: .* crashed .*; coreml: .* crashed"),
    ],
)
def test_build_that_nothing_can_come_of_leaves_no_bundle(
    fail_at: Callable[..., None],
    build_at: Build,
    tmp_path: Path,
    failing: tuple[str, ...],
    kind: str,
    error: type[PocketBertError],
    message: str,
) -> None:
    fail_at(*failing, kind=kind)
    with pytest.raises(error, match=message):
        build_at("fp32", backends=("tflite", "coreml"))
    assert list(tmp_path.iterdir()) == []


def test_build_whose_only_backend_fails_raises_its_own_error(
    fail_at: Callable[..., None], build_at: Build
) -> None:
    fail_at("tflite")
    with pytest.raises(GateError, match=r"^no tflite today$") as caught:
        build_at("fp32", backends=("tflite",))
    assert caught.value.hint == "wait"


def test_task_library_without_its_tflite_artifact_is_missing_with_the_reason(
    students: dict[str, Student],
) -> None:
    unbuilt = Unbuilt.of_backend("tflite", GateError("no tflite today"))
    made = with_task_library(
        Made(recipe=recipe_of("int8"), artifacts=(), unbuilt=(unbuilt,)),
        students["distilbert"],
        examples=EXAMPLES,
        run=quiet_run(),
    )
    assert made.task_library is None
    reasons = {each.runtime: each.reason for each in made.skipped}
    assert set(reasons) == {"litert", "tensorflow", variant.RUNTIME}
    assert "no tflite today" in reasons["litert"]
    assert "derived from could not be built" in reasons[variant.RUNTIME]


def test_budget_holds_for_what_could_be_built(
    fail_at: Callable[..., None], build_at: Build, tmp_path: Path
) -> None:
    fail_at("coreml")
    with pytest.raises(GateError, match=r"--max-size-mb 0\.001 is out of reach"):
        build_at("fp32", backends=("tflite", "coreml"), budget=Budget(max_size_bytes=1000))
    assert list(tmp_path.iterdir()) == []
