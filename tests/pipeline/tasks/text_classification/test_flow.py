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
from tests.classifiers import LABELS, build_classifier
from tests.command import pocketbert
from tests.runs import quiet_run

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
