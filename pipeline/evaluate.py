"""Scores a model or the artifacts of a bundle on labelled questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.ask import Answers, ask, ask_student
from pipeline.bundle import open_bundle
from pipeline.errors import InputError
from pipeline.load import load
from pipeline.manifest import FILE_NAME
from pipeline.runtimes import PYTORCH, Skipped
from pipeline.squad import Question, Score
from pipeline.stages import Stages
from pipeline.tasks import Task, task_of

SEQ_LEN = 384
"""Tokens. The window of the official BERT baseline, for a model that was not built yet."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores by runtime, and the runtimes that gave none."""

    scores: dict[str, Score]
    not_done: list[Skipped]
    exit_code: int


def evaluate(
    target: str,
    *,
    data: Path,
    limit: int | None,
    names: Sequence[str] = (),
    named_reference: str | None,
    num_threads: int,
    stages: Stages,
) -> Evaluation:
    """Scores every runtime on the questions of a file.

    Args:
        target: A bundle, or a model as ``load`` takes it.
        data: Labelled questions.
        limit: How many of them to use; nothing means all.
        names: Runtimes to use; none means all that run here.
        named_reference: Where a bundle's PyTorch student is, if the user says so.
        num_threads: For every runtime.
        stages: Told how the work goes.
    """
    path = Path(target)
    if path.is_file() or (path / FILE_NAME).is_file():
        with open_bundle(path) as opened:
            task = task_of(opened.manifest.student.architecture)
            examples = task.read_examples(data)[:limit]
            answers = ask(
                opened,
                examples,
                named_reference=named_reference,
                names=names,
                num_threads=num_threads,
                stages=stages,
            )
        return _score(task, examples, answers)
    return _evaluate_model(target, data, limit, names, num_threads, stages)


def _evaluate_model(
    target: str,
    data: Path,
    limit: int | None,
    names: Sequence[str],
    num_threads: int,
    stages: Stages,
) -> Evaluation:
    others = [name for name in names if name != PYTORCH]
    if others:
        raise InputError(
            f"{target} is a model, and {others[0]} runs artifacts",
            hint="give the bundle that `pocketbert build` made of it",
        )
    student = load(target)
    examples = student.task.read_examples(data)[:limit]
    encoded = student.encode(examples, seq_lens=(min(SEQ_LEN, student.max_seq_len),))
    asked = ask_student(student, encoded, num_threads=num_threads, stages=stages)
    return _score(student.task, examples, Answers(done=[asked], skipped=[], failed=[]))


def _score(task: Task, examples: Sequence[Question], answers: Answers) -> Evaluation:
    scores = {}
    for asked in answers.done:
        texts = {
            example.id: answer.text for example, answer in zip(examples, asked.answers, strict=True)
        }
        scores[asked.runtime] = task.score(texts, examples)
    return Evaluation(scores=scores, not_done=answers.not_done, exit_code=answers.exit_code)
