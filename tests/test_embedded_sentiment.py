"""The embedded sentiment student, built for every backend: what the docs promise of it."""

from pathlib import Path

import pytest

from pipeline.student.load import load
from pipeline.tasks.text_classification.own_texts import own_texts
from tests.command import Finished, pocketbert
from tests.test_embedded_student import RUNTIMES, assert_passes

TASK = "text-classification"
NUM_TEXTS = len(own_texts(labels=("negative", "positive"), pair=False))
SENTENCES = {
    "The battery lasts for days, and the screen is easy to read.": "positive",
    "The plot goes nowhere, and the jokes are stale.": "negative",
    "Stopped working after a week.": "negative",
}


@pytest.fixture(scope="module")
def built_int8(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return build(tmp_path_factory.mktemp("sentiment"), "int8")


def test_build_passes_every_gate_and_turns_one_label_at_most(built_int8: Finished) -> None:
    assert_passes(built_int8, num_inputs=NUM_TEXTS)
    for each in built_int8.json["parity"]:
        assert each["answer_agreement"] >= (NUM_TEXTS - 1) / NUM_TEXTS


@pytest.mark.soak
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int4"])
def test_build_of_every_precision_passes(tmp_path: Path, precision: str) -> None:
    built = build(tmp_path, precision)
    assert_passes(built, num_inputs=NUM_TEXTS)
    if precision == "fp32":
        for each in built.json["parity"]:
            assert each["max_abs_diff"] <= 1e-4
            assert each["answer_agreement"] == 1


def test_int8_artifacts_are_at_most_030_of_the_weights_in_fp32(built_int8: Finished) -> None:
    weights_bytes = sum(each.nbytes for each in load(task_name=TASK).model.parameters())
    for each in built_int8.json["artifacts"]:
        assert each["size_bytes"] <= 0.30 * weights_bytes


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_runtime_labels_from_the_bundle(built_int8: Finished, sentence: str) -> None:
    labelled = pocketbert("classify", built_int8.json["bundle"], "-t", sentence, "--json")
    assert labelled.code == 0
    results = labelled.json["results"]
    assert {each["runtime"] for each in results} == {"pytorch", *RUNTIMES}
    for each in results:
        assert each["labels"][0]["label"] == SENTENCES[sentence]
        assert sum(label["score"] for label in each["labels"]) == pytest.approx(1, abs=1e-5)


def test_student_fits_into_the_package() -> None:
    student = load(task_name=TASK)
    weights = student.folder / "model.safetensors"
    assert weights.stat().st_size <= 22_000_000
    assert student.licence == "cc-by-4.0"


def build(folder: Path, precision: str) -> Finished:
    return pocketbert(
        "build", "--task", TASK, "-o", folder / precision, "--precision", precision,
        "--seq-len", "128", "--json", timeout=900,
    )  # fmt: skip
