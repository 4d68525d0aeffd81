"""The embedded student, built for every backend: what the README promises of it."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.student.load import load
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.command import Finished, pocketbert

RUNTIMES = ("executorch", "litert", "tensorflow", "coreml-reference")
PASSAGE = (Path(__file__).parents[1] / "examples" / "lighthouse.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def built_int8(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return build(tmp_path_factory.mktemp("embedded"), "int8")


def test_build_passes_every_gate_in_every_runtime(built_int8: Finished) -> None:
    assert_passes(built_int8, num_inputs=len(labelled_questions()))


@pytest.mark.soak
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_build_of_floats_passes_every_gate_in_every_runtime(tmp_path: Path, precision: str) -> None:
    built = build(tmp_path, precision)
    assert_passes(built, num_inputs=len(labelled_questions()))
    if precision == "fp32":
        for each in built.json["parity"]:
            assert each["max_abs_diff"] <= 1e-4
            assert each["answer_agreement"] == 1


def test_int8_artifacts_give_at_least_95_percent_of_the_answers(built_int8: Finished) -> None:
    for each in built_int8.json["parity"]:
        assert each["answer_agreement"] >= 0.95


def test_int8_artifacts_are_at_most_027_of_the_weights_in_fp32(built_int8: Finished) -> None:
    weights_bytes = sum(each.nbytes for each in load().model.parameters())
    for each in built_int8.json["artifacts"]:
        assert each["size_bytes"] <= 0.27 * weights_bytes


def test_every_runtime_answers_from_the_bundle(built_int8: Finished) -> None:
    answered = pocketbert(
        "ask", built_int8.json["bundle"], "-q", "Who designed the lighthouse?",
        "-c", PASSAGE, "--json",
    )  # fmt: skip
    assert answered.code == 0
    answers: list[dict[str, Any]] = answered.json["answers"]
    assert [each["runtime"] for each in answers] == ["pytorch", *RUNTIMES]
    for each in answers:
        assert "Agnes Whitlock" in each["text"]
        assert PASSAGE[each["start"] : each["end"]] == each["text"]
        assert 0 < each["score"] <= 1
        assert each["latency_ms"] > 0


def test_student_fits_into_the_package() -> None:
    student = load()
    weights = student.folder / "model.safetensors"
    assert weights.stat().st_size <= 40_000_000
    assert student.licence != "unknown"


def build(folder: Path, precision: str) -> Finished:
    return pocketbert(
        "build", "-o", folder / precision, "--precision", precision, "--json", timeout=900
    )


def assert_passes(finished: Finished, *, num_inputs: int) -> None:
    assert finished.code == 0, finished.stdout + finished.stderr
    parity = finished.json["parity"]
    assert {each["runtime"] for each in parity} == set(RUNTIMES)
    assert all(each["verdict"] == "pass" for each in parity)
    assert all(each["num_inputs"] == num_inputs for each in parity)
