"""The parity gate on real artifacts: it passes good ones and fires on every planted fault."""

import copy
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from converters.values.artifact import Artifact
from pipeline.comparison import parity
from pipeline.comparison.verdict import Parity
from pipeline.conversion.recipe import recipe_of
from pipeline.student.load import Student
from pipeline.tasks.question_answering.squad import Question, labelled_questions
from tests.converters.conversion import convert_all
from tests.runs import quiet_run

SEQ_LEN = 128
EXAMPLES = labelled_questions()[:6]


@pytest.fixture(scope="module")
def student(students: dict[str, Student]) -> Student:
    return students["distilbert"]


@pytest.fixture(scope="module")
def artifact(student: Student, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return convert(student, tmp_path_factory.mktemp("good"))


def test_check_passes_a_good_artifact(student: Student, artifact: Artifact) -> None:
    verdict = check(student, artifact)
    assert verdict.verdict == "pass", verdict.reason
    assert verdict.answer_agreement == 1
    assert verdict.num_inputs == len(EXAMPLES)
    assert [gate.name for gate in verdict.gates][-3:] == [
        "hard_rows", "padding_invariance", "weights",
    ]  # fmt: skip


def test_check_fails_swapped_outputs(student: Student, artifact: Artifact) -> None:
    first, second = artifact.outputs
    swapped = dataclasses.replace(
        artifact,
        outputs=(
            dataclasses.replace(first, artifact_name=second.artifact_name),
            dataclasses.replace(second, artifact_name=first.artifact_name),
        ),
    )
    assert_fails(check(student, swapped), "max_abs_diff", "cosine", "snr_db")


def zero_a_layer(model: torch.nn.Module) -> None:
    model.distilbert.transformer.layer[1].ffn.lin2.weight.zero_()


def transpose_a_weight(model: torch.nn.Module) -> None:
    weight = model.distilbert.transformer.layer[0].attention.q_lin.weight
    weight.copy_(weight.T.clone())


def put_in_a_nan(model: torch.nn.Module) -> None:
    model.distilbert.transformer.layer[0].attention.out_lin.bias[3] = math.nan


@pytest.mark.parametrize(
    ("damage", "gates"),
    [
        (zero_a_layer, ("max_abs_diff", "snr_db", "weights")),
        (transpose_a_weight, ("max_abs_diff", "snr_db", "weights")),
        (put_in_a_nan, ("finite", "max_abs_diff", "cosine", "snr_db")),
    ],
)
def test_check_fails_damaged_weights(
    student: Student,
    tmp_path: Path,
    damage: Callable[[torch.nn.Module], None],
    gates: tuple[str, ...],
) -> None:
    damaged = copy.deepcopy(student.model)
    with torch.no_grad():
        damage(damaged)
    artifact = convert(dataclasses.replace(student, model=damaged), tmp_path)
    assert_fails(check(student, artifact), *gates)


def test_check_fails_a_mask_that_is_ignored(student: Student, tmp_path: Path) -> None:
    artifact = convert(blind_to_padding(student), tmp_path)
    short = Question(id="short", question="Who?", context="Ann and Bob.", answers=())
    verdict = check(student, artifact, (short,))
    assert_fails(verdict, "max_abs_diff", "snr_db", "hard_rows", "padding_invariance")
    assert "weights" not in verdict.reason


def test_check_fails_an_artifact_that_does_not_load_and_says_why(
    student: Student, artifact: Artifact, tmp_path: Path
) -> None:
    broken = tmp_path / "model.tflite"
    broken.write_bytes(artifact.path.read_bytes()[:1000])
    verdict = check(student, dataclasses.replace(artifact, path=broken))
    assert_fails(verdict, "runs")
    assert verdict.num_inputs == 0
    assert verdict.to_json()["max_abs_diff"] is None


def blind_to_padding(student: Student) -> Student:
    """A student whose padding takes part in attention."""
    model = copy.deepcopy(student.model)
    model.register_forward_pre_hook(
        lambda _, args, kwargs: (args, {**kwargs, "attention_mask": kwargs["attention_mask"] * 0}),
        with_kwargs=True,
    )
    return dataclasses.replace(student, model=model)


def convert(student: Student, folder: Path) -> Artifact:
    return convert_all(student, "tflite", ("fp32",), folder, seq_lens=(SEQ_LEN,))["fp32"]


def check(
    student: Student, artifact: Artifact, examples: tuple[Question, ...] = EXAMPLES
) -> Parity:
    (verdict,), skipped = parity.check(
        student,
        [artifact],
        examples=examples,
        recipe=recipe_of("fp32"),
        names=("litert",),
        run=quiet_run(),
    )
    assert not skipped
    return verdict


def assert_fails(verdict: Parity, *gates: str) -> None:
    assert verdict.verdict == "fail"
    failed = {gate.name for gate in verdict.gates if gate.verdict == "fail"}
    assert failed >= set(gates)
    assert verdict.reason
