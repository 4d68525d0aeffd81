"""The embedded student, built for every backend: what the README promises of it."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.student.load import load
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.command import Finished, pocketbert

pytestmark = pytest.mark.cold  # as a user's machine runs it

PASSAGE = (Path(__file__).parents[1] / "examples" / "lighthouse.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    folder = tmp_path_factory.mktemp("embedded")
    return {precision: build(folder, precision) for precision in ("fp32", "int8")}


def test_build_passes_every_gate_in_every_runtime(builds: dict[str, Finished]) -> None:
    for finished in builds.values():
        assert_passes(finished)


@pytest.mark.soak
def test_fp16_build_passes_every_gate_in_every_runtime(tmp_path: Path) -> None:
    assert_passes(build(tmp_path, "fp16"))


def test_fp32_artifacts_answer_exactly_as_pytorch(builds: dict[str, Finished]) -> None:
    for each in builds["fp32"].json["parity"]:
        assert each["max_abs_diff"] <= 1e-4
        assert each["answer_agreement"] == 1


def test_int8_artifacts_give_at_least_95_percent_of_the_answers(
    builds: dict[str, Finished],
) -> None:
    for each in builds["int8"].json["parity"]:
        assert each["answer_agreement"] >= 0.95


def test_int8_artifacts_are_at_most_027_of_their_fp32_size(builds: dict[str, Finished]) -> None:
    sizes = {
        precision: {each["backend"]: each["size_bytes"] for each in finished.json["artifacts"]}
        for precision, finished in builds.items()
    }
    for backend, size_bytes in sizes["int8"].items():
        assert size_bytes <= 0.27 * sizes["fp32"][backend]


def test_every_runtime_answers_from_the_bundle(builds: dict[str, Finished]) -> None:
    answered = pocketbert(
        "ask", builds["int8"].json["bundle"], "-q", "Who designed the lighthouse?",
        "-c", PASSAGE, "--json",
    )  # fmt: skip
    assert answered.code == 0
    answers: list[dict[str, Any]] = answered.json["answers"]
    assert [each["runtime"] for each in answers] == [
        "pytorch", "executorch", "litert", "tensorflow", "coreml-reference"
    ]  # fmt: skip
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


def assert_passes(finished: Finished) -> None:
    assert finished.code == 0, finished.stdout + finished.stderr
    parity = finished.json["parity"]
    assert {each["runtime"] for each in parity} == {
        "executorch", "litert", "tensorflow", "coreml-reference"
    }  # fmt: skip
    assert all(each["verdict"] == "pass" for each in parity)
    assert all(each["num_inputs"] == len(labelled_questions()) for each in parity)
