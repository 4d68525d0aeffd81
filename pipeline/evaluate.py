"""Scores a model or the artifacts of a bundle on labelled questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.values.errors import InputError
from pipeline.ask import Answers, ask, ask_student
from pipeline.bundle.manifest import FILE_NAME
from pipeline.bundle.open import open_bundle
from pipeline.comparison.runtimes import PYTORCH, Skipped
from pipeline.running.run import Run
from pipeline.student.load import load
from pipeline.tasks import task_of_bundle
from pipeline.tasks.examples import Examples, sort_out
from pipeline.tasks.task import Kind, Task, Unreadable
from pipeline.tokenizer.tokenization import bundle_tokenizer

SEQ_LEN = 384
"""Tokens. The window of the official BERT baseline, for a model that was not built yet."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The task's scores, in per cent, and over how many examples, readable or not."""

    values: dict[str, float]
    count: int

    def to_json(self) -> dict[str, float]:
        """Returns all of it side by side."""
        return {**self.values, "count": self.count}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores by runtime, and the runtimes that gave none.

    Attributes:
        task: Of the model.
        kinds: Of examples that the task tells apart; none where there is one.
        by_kind: By runtime, the scores of each kind that there are examples of. Those that cannot
            be read are in none.
        num_cut: Examples of which a part was not read.
        unreadable: Examples that could not be asked, and count as answered wrongly.
    """

    task: Task
    kinds: tuple[Kind, ...]
    scores: dict[str, Scores]
    by_kind: dict[str, dict[str, Scores]]
    unreadable: tuple[Unreadable, ...]
    num_cut: int
    not_done: list[Skipped]
    exit_code: int


def evaluate(
    target: str,
    *,
    data: Path,
    limit: int | None,
    names: Sequence[str] = (),
    named_reference: str | None,
    run: Run,
) -> Evaluation:
    """Scores every runtime on the labelled examples of a file, as the task does.

    Args:
        target: A bundle, or a model as ``load`` takes it.
        data: Labelled examples.
        limit: How many of them to use; None means all.
        names: Runtimes to use; empty for all that run here.
        named_reference: Where a bundle's PyTorch student is, if the user says so.
        run: Its threads, cache and progress.
    """
    path = Path(target)
    if path.is_file() or (path / FILE_NAME).is_file():
        with open_bundle(path) as opened:
            task = task_of_bundle(opened.manifest)
            tokenizer = bundle_tokenizer(opened.folder, opened.manifest.tokenizer)
            examples = task.read_examples(data)[:limit]
            sorted_out = sort_out(examples, task=task, tokenizer=tokenizer)
            answers = ask(
                opened,
                sorted_out.readable,
                named_reference=named_reference,
                names=names,
                run=run,
            )
        return _score(task, examples, sorted_out, answers)
    if named_reference is not None:
        raise InputError(
            f"{target} is a model, and --reference names the student of a bundle",
            hint="leave out --reference",
        )
    return _evaluate_model(target, data, limit, names, run)


def _evaluate_model(
    target: str,
    data: Path,
    limit: int | None,
    names: Sequence[str],
    run: Run,
) -> Evaluation:
    others = [name for name in names if name != PYTORCH]
    if others:
        raise InputError(
            f"{target} is a model, and {others[0]} runs artifacts",
            hint="give the bundle that `pocketbert build` made of it",
        )
    student = load(target)
    examples = student.task.read_examples(data)[:limit]
    sorted_out = sort_out(examples, task=student.task, tokenizer=student.tokenizer)
    seq_len = min(SEQ_LEN, student.max_seq_len)
    encoded = student.encode(sorted_out.readable, seq_lens=(seq_len,))
    asked = ask_student(student, encoded, run=run)
    num_cut = sum(each.is_cut for each in encoded)
    answers = Answers(done=[asked], skipped=[], failed=[], num_cut=num_cut)
    return _score(student.task, examples, sorted_out, answers)


def _score(
    task: Task, examples: Sequence[Any], sorted_out: Examples, answers: Answers
) -> Evaluation:
    """Scores what every runtime answered to the examples that could be read."""
    readable = sorted_out.readable
    kinds = task.kinds(readable)
    scores, by_kind = {}, {}
    for asked in answers.done:
        given = {
            example.id: answer for example, answer in zip(readable, asked.answers, strict=True)
        }
        scores[asked.runtime] = Scores(values=task.scores(given, examples), count=len(examples))
        if kinds:
            by_kind[asked.runtime] = {
                kind.name: Scores(
                    values=task.scores(given, kind.examples), count=len(kind.examples)
                )
                for kind in kinds
                if kind.examples
            }
    return Evaluation(
        task=task,
        kinds=kinds,
        scores=scores,
        by_kind=by_kind,
        unreadable=sorted_out.unreadable,
        num_cut=answers.num_cut,
        not_done=answers.not_done,
        exit_code=answers.exit_code,
    )
