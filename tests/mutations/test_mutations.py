"""The proof that the parity checker works: every planted fault is caught, and nothing else.

Faults that no gate can tell from a precision's own noise are not among them. See ``README.md``.
"""

import dataclasses
import functools
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from converters.values.artifact import Artifact
from converters.values.precision import FixedPrecision
from pipeline.bundle.open import open_bundle
from pipeline.comparison import parity, runtimes
from pipeline.conversion.recipe import recipe_of
from pipeline.files.canonical import json_value
from pipeline.student.load import Student, load
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.bundles import restate
from tests.command import pocketbert
from tests.mutations.conftest import SEQ_LENS, Bundles, Record
from tests.mutations.faults import FILE_FAULTS, RUNTIME_FAULTS, FileFault, RuntimeFault
from tests.mutations.runtime_faults import Misdeed, faulty_job
from tests.mutations.table import Caught
from tests.mutations.target import Parameters, Target
from tests.runs import quiet_run
from tests.students import make_model

RUNTIMES = {
    "executorch": ("executorch",),
    "tflite": ("litert", "tensorflow"),
    "coreml": ("coreml-reference",),
}
NUM_QUESTIONS = 4
SAMPLE = (
    {"executorch": "residual dropped", "tflite": "one head in another's place"},
    {"tflite": "mask inverted", "coreml": "softmax over queries"},
    {"coreml": "stale weights in one layer", "executorch": "positions begin at one"},
)
"""Names of faults by backend; those of one line are planted at once, and one backend stays good."""

Verdicts = Sequence[dict[str, Any]]


@pytest.mark.soak
@pytest.mark.parametrize(
    "fault", FILE_FAULTS, ids=lambda each: f"{each.backend}-{each.precision}-{each.name}"
)
def test_fault_in_a_finished_file_is_caught_at_its_backend_alone(
    fault: FileFault, bundles: Bundles, squad_file: Path, tmp_path: Path, record_property: Record
) -> None:
    whole = bundles(fault.architecture, fault.precision)
    copy = Path(shutil.copytree(whole, tmp_path / "bundle"))
    with open_bundle(copy) as opened:
        paths = {artifact.backend: artifact.path for artifact in opened.artifacts}
    student = load(str(whole.parent / fault.architecture))
    fault.plant(target_of(fault.backend, paths[fault.backend], student))
    restate(copy)  # else its hash would tell before any gate
    finished = pocketbert(
        "parity", copy, "--data", squad_file, "--limit", str(NUM_QUESTIONS), "--json", timeout=900
    )
    assert finished.code == 1, finished.stdout + finished.stderr
    verdicts = finished.json["parity"]
    least = SEQ_LENS[:1] if not fault.in_all else SEQ_LENS
    assert_caught(verdicts, {fault.backend: least})
    record_property("caught", caught(fault.name, "file", fault.backend, fault.precision, verdicts))


@pytest.mark.soak
@pytest.mark.parametrize("fault", RUNTIME_FAULTS, ids=lambda each: f"{each.backend}-{each.name}")
def test_fault_of_a_runtime_is_caught_at_its_backend_alone(
    fault: RuntimeFault, bundles: Bundles, monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    whole = bundles("distilbert", "fp32")
    student = load(str(whole.parent / "distilbert"))
    with open_bundle(whole) as opened:
        verdicts = check(student, opened.artifacts, {fault.backend: fault.misdeed}, monkeypatch)
    assert_caught(verdicts, {fault.backend: SEQ_LENS})
    record_property("caught", caught(fault.name, "runtime", fault.backend, "fp32", verdicts))


@pytest.mark.parametrize("names", SAMPLE, ids=lambda names: ",".join(names.values()))
def test_sample_of_faults_in_files(
    names: Mapping[str, str],
    artifacts: Mapping[str, Mapping[FixedPrecision, Artifact]],
    students: Mapping[str, Student],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    student = students["distilbert"]
    given = []
    for backend, made in artifacts.items():
        artifact = made["int8"]
        if backend in names:
            path = copied(artifact.path, tmp_path / backend)
            target = target_of(backend, path, student)
            fault_of(backend, names[backend]).plant(target)
            artifact = dataclasses.replace(artifact, path=path)
        given.append(artifact)
    verdicts = check(student, given, {}, monkeypatch)
    seq_lens = given[0].seq_lens
    assert_caught(verdicts, dict.fromkeys(names, seq_lens))


def test_sample_of_faults_of_runtimes(
    artifacts: Mapping[str, Mapping[FixedPrecision, Artifact]],
    students: Mapping[str, Student],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One backend's runtime crashes, one gives another row's answer, and the third is good."""
    given = [made["int8"] for made in artifacts.values()]
    chosen = ("aborts at the third row", "answers with the row before")
    misdeeds = {each.backend: each.misdeed for each in RUNTIME_FAULTS if each.name in chosen}
    verdicts = check(students["distilbert"], given, misdeeds, monkeypatch)
    assert_caught(verdicts, dict.fromkeys(misdeeds, given[0].seq_lens))


def test_faults_are_many_distinct_and_of_all_backends() -> None:
    for backend in RUNTIMES:
        own = [each.name for each in FILE_FAULTS if each.backend == backend]
        assert len(own) == len(set(own)) >= 6
    assert len({each.name for each in FILE_FAULTS}) >= 18
    assert len({each.name for each in (*FILE_FAULTS, *RUNTIME_FAULTS)}) >= 25


def fault_of(backend: str, name: str) -> FileFault:
    (found,) = (each for each in FILE_FAULTS if (each.backend, each.name) == (backend, name))
    return found


def target_of(backend: str, path: Path, student: Student) -> Target:
    architecture = student.model.config.model_type
    return Target(
        backend=backend,
        path=path,
        originals=parameters(student.model),
        others=parameters(make_model(architecture, seed=17, spread=0.125)),
    )


def parameters(model: Any) -> Parameters:
    return {name: value.float().numpy() for name, value in model.state_dict().items()}


def copied(path: Path, folder: Path) -> Path:
    folder.mkdir()
    copy = shutil.copytree if path.is_dir() else shutil.copy
    return Path(copy(path, folder / path.name))


def check(
    student: Student,
    artifacts: Sequence[Artifact],
    misdeeds: Mapping[str, Misdeed],
    monkeypatch: pytest.MonkeyPatch,
) -> Verdicts:
    """Runs the parity check with runtimes of which some misbehave, but not TensorFlow's."""
    monkeypatch.setattr(runtimes, "job", functools.partial(faulty_job, misdeeds=misdeeds))
    found, _ = parity.check(
        student,
        artifacts,
        examples=labelled_questions()[:NUM_QUESTIONS],
        recipe=recipe_of(artifacts[0].precision),
        names=[own[0] for own in RUNTIMES.values()],
        run=quiet_run(),
    )
    return [each.to_json() for each in found]


def assert_caught(verdicts: Verdicts, wrong: Mapping[str, Sequence[int]]) -> None:
    """Asserts that the named backends fail in each runtime at the named lengths, and no others do.

    What is wrong at one length may be told at another, too, where answers are compared.
    """
    assert {each["backend"] for each in verdicts} == set(RUNTIMES)
    for each in verdicts:
        place = (each["runtime"], each["seq_len"])
        if each["backend"] not in wrong:
            assert each["verdict"] == "pass", (place, each["reason"])
        elif each["seq_len"] in wrong[each["backend"]]:
            assert each["verdict"] == "fail", place
            assert each["reason"]


def caught(name: str, place: str, backend: str, precision: str, verdicts: Verdicts) -> str:
    """Returns the table's row as JSON."""
    own = [each for each in verdicts if each["backend"] == backend]
    row = Caught(fault=name, place=place, backend=backend, precision=precision, verdicts=own)
    return json.dumps(json_value(dataclasses.asdict(row)))
