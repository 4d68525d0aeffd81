"""A classifier goes all the way: built, compared, asked, scored and tested as an app tests it."""

import json
from pathlib import Path
from typing import Any

import pytest

from converters import backends
from pipeline.build import BuildResult
from pipeline.bundle.manifest import read_manifest
from pipeline.evaluate import evaluate
from pipeline.verify import verify
from tests.classifiers import LABELS, build_classifier, save_classifier
from tests.command import pocketbert
from tests.conftest import MakeOnce
from tests.runs import quiet_run
from tests.students import VOCABULARY_SIZE

pytestmark = pytest.mark.conversion

SEVERAL = {"problem_type": "multi_label_classification", "text_pair": True}
NUMBER = {"problem_type": "regression", "labels": ("score",)}


@pytest.fixture(scope="module")
def built(built_classifier: BuildResult) -> BuildResult:
    return built_classifier


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labelled") / "data.tsv"
    long = "The lamp of the tower was lit. " * 20
    rows = [f"The tower was lit in 18{n}.\t{LABELS[n % 3]}" for n in range(10, 20)]
    path.write_text("\n".join(["text\tlabel", *rows, f"{long}\t{LABELS[0]}"]) + "\n")
    return path


def assert_good(built: BuildResult) -> None:
    assert {each.backend for each in built.artifacts} == set(backends.BACKENDS)
    assert built.passed, [each.reason for each in built.parity]
    found = verify(built.folder, with_vectors=True, run=quiet_run(2))
    assert found.passed, found.to_json()["problems"]
    assert len(found.to_json()["tested"]) > 2


def test_classifier_in_int8_passes_in_every_runtime(built: BuildResult) -> None:
    assert_good(built)
    task = read_manifest(built.folder).task
    assert (task.name, task.labels) == ("text-classification", LABELS)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("architecture", "precision", "options"),
    [
        ("bert", "int8", SEVERAL), ("mobilebert", "int8", NUMBER),
        ("electra", "fp16", {"text_pair": True, "long_text": "windows"}),
        ("distilbert", "fp32", NUMBER),
    ],
    ids=["several labels of pairs", "number", "windows of pairs", "number in fp32"],
)  # fmt: skip
def test_classifiers_of_all_kinds_pass_in_every_runtime(
    tmp_path: Path, architecture: str, precision: str, options: dict[str, Any]
) -> None:
    assert_good(build_classifier(tmp_path, architecture, precision, **options))


def test_eval_scores_every_runtime_and_counts_cut_texts(built: BuildResult, data: Path) -> None:
    found = evaluate(
        str(built.folder), data=data, limit=None, named_reference=None, run=quiet_run(2)
    )
    stated = {name: each.to_json() for name, each in found.scores.items()}
    assert len(stated) > 3
    for each in stated.values():
        assert each.keys() >= {"accuracy", "macro_f1", "count"}
        assert each["count"] == 11
        assert 0 <= each["accuracy"] <= 100
    assert found.num_cut == 1


def test_classify_labels_a_text_and_lines_of_stdin_alike(built: BuildResult) -> None:
    text = "The tower was lit in 1871."
    finished = pocketbert(
        "classify", built.folder, "-t", text, "--runtime", "litert", "--runtime", "executorch",
        "--json",
    )  # fmt: skip
    assert finished.code == 0, finished.stderr
    results = json.loads(finished.stdout)["results"]
    assert {each["runtime"] for each in results} == {"litert", "executorch"}
    for each in results:
        scores = [label["score"] for label in each["labels"]]
        assert {label["label"] for label in each["labels"]} == set(LABELS)
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1)
        assert each["latency_ms"] > 0


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    rows = [
        f"The tower number {n} was lit.\tIn 18{n} Mary {('came', 'went')[n % 2]} home.\t{n % 2}"
        for n in range(10, 70)
    ]
    long = "Mary came home in 1871. " * 12
    path.write_text("\n".join(["text\ttext_pair\tlabel", *rows, f"Mary\t{long}\t0"]) + "\n")
    return path


@pytest.fixture(scope="module")
def built_of_pairs(make_once: MakeOnce, pairs: Path) -> Path:
    """A bundle for TFLite of all that a classifier may be built with beside auto."""

    def make(folder: Path) -> Path:
        options = {"labels": ("no", "yes"), "text_pair": True}
        student = save_classifier("bert", folder / "student", **options)
        built = pocketbert(
            "build", student, "-o", folder / "bundle", "--backend", "tflite",
            "--seq-len", "32,48", "--long-text", "windows", "--activations", "static",
            "--trim-vocab", pairs, "--data", pairs, "--max-score-drop", "5", "--json",
        )  # fmt: skip
        assert built.code == 0, built.stdout + built.stderr
        return folder / "bundle"

    return make_once("classifier-of-pairs", make)


def test_classifier_of_pairs_in_windows_with_static_activations_and_fewer_words_is_whole(
    built_of_pairs: Path, pairs: Path
) -> None:
    manifest = read_manifest(built_of_pairs)
    assert manifest.task.rules["long_text"] == "windows"
    assert manifest.artifacts[0].seq_lens == (32, 48)
    assert manifest.tokenizer.num_pieces < VOCABULARY_SIZE / 2
    page = (built_of_pairs / "report.html").read_text(encoding="utf-8")
    assert "accuracy on labels" in page
    verified = verify(built_of_pairs, with_vectors=True, run=quiet_run(2))
    assert verified.passed, verified.to_json()["problems"]
    compared = pocketbert(
        "parity", built_of_pairs, "--data", pairs, "--runtime", "litert", "--localize", "--json"
    )
    assert compared.code == 0, compared.stderr
    assert {each["seq_len"] for each in compared.json["parity"]} == {32, 48}
    (found,) = compared.json["localization"]
    assert [each["name"] for each in found["blocks"]][-1] == "head"


def test_classifier_of_pairs_is_inspected_and_timed(built_of_pairs: Path) -> None:
    inspected = pocketbert("inspect", built_of_pairs, "--json").json["artifacts"]
    assert inspected[0]["bytes_by_dtype"]["int8"] > 0
    timed = pocketbert(
        "bench", built_of_pairs, "--runtime", "litert", "--repetitions", "2", "--json"
    )
    assert timed.code == 0, timed.stderr
    assert {row["seq_len"] for row in timed.json["rows"]} == {32, 48}
