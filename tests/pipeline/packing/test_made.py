"""What artifacts cost is what the worst of them costs, known or not."""

import itertools
import math
from pathlib import Path

import pytest

from converters.values.artifact import Artifact
from pipeline.comparison.scores import Worth
from pipeline.comparison.verdict import Parity
from pipeline.conversion.recipe import recipe_of
from pipeline.packing.made import Made
from pipeline.tasks.question_answering import QuestionAnswering


def artifact(folder: Path, backend: str, num_bytes: int) -> Artifact:
    path = folder / backend / "model"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\0" * num_bytes)
    return Artifact(
        backend=backend, precision="int8", path=path, seq_lens=(8,), inputs=(), outputs=()
    )


def verdict(runtime: str, drop: float, reason: str = "") -> Parity:
    return Parity(
        backend="tflite", runtime=runtime, precision="int8", seq_len=8, verdict="pass",
        task=QuestionAnswering(), gates=(), reason=reason, worth=Worth(drop=drop),
    )  # fmt: skip


@pytest.fixture
def artifacts(tmp_path: Path) -> list[Artifact]:
    return [artifact(tmp_path, "tflite", 300), artifact(tmp_path, "coreml", 500)]


def test_cost_is_that_of_the_largest_and_of_the_one_that_answers_worst(
    artifacts: list[Artifact],
) -> None:
    verdicts = [verdict("litert", 0.5), verdict("coreml", 1.5), verdict("executorch", -2.0)]
    cost = Made(recipe=recipe_of("int8"), artifacts=artifacts, verdicts=verdicts).cost
    assert (cost.size_bytes, cost.score_drop, cost.why_unknown) == (500, 1.5, "")


def test_what_is_not_known_of_one_is_not_known_of_all(artifacts: list[Artifact]) -> None:
    told = [verdict("litert", 0.5), verdict("coreml", math.nan, "it crashed"), verdict("x", 9.0)]
    for verdicts in itertools.permutations(told):
        cost = Made(recipe=recipe_of("int8"), artifacts=artifacts, verdicts=verdicts).cost
        assert math.isnan(cost.score_drop)
        assert cost.why_unknown == "coreml: it crashed"
    assert math.isnan(Made(recipe=recipe_of("int8"), artifacts=artifacts).cost.score_drop)


def test_moved_artifacts_lie_in_the_new_folder(artifacts: list[Artifact], tmp_path: Path) -> None:
    made = Made(recipe=recipe_of("int8"), artifacts=artifacts, task_library=artifacts[0])
    new = tmp_path / "elsewhere"
    moved = made.moved(tmp_path, new)
    assert [each.path for each in moved.artifacts] == [
        new / "tflite" / "model", new / "coreml" / "model",
    ]  # fmt: skip
    assert moved.task_library is not None
    assert moved.task_library.path == new / "tflite" / "model"
