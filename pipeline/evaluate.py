"""Scores a model or the artifacts of a bundle on labelled questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.values.errors import InputError
from pipeline.ask import Answers, ask, ask_student
from pipeline.bundle.manifest import FILE_NAME
from pipeline.bundle.open import open_bundle
from pipeline.comparison.runtimes import PYTORCH, Skipped
from pipeline.running.run import Run
from pipeline.student.load import load
from pipeline.tasks import Task, task_of
from pipeline.tasks.examples import Examples, sort_out
from pipeline.tasks.question_answering.squad import Example, Score, Unreadable
from pipeline.tokenizer.tokenization import bundle_tokenizer

SEQ_LEN = 384
"""Tokens. The window of the official BERT baseline, for a model that was not built yet."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores by runtime, and the runtimes that gave none.

    Attributes:
        by_kind: By runtime, the scores of the questions that have an answer and of those that have
            none; empty where all have one. Those that cannot be read are in neither.
        unreadable: Questions that could not be asked, and count as answered wrongly.
    """

    scores: dict[str, Score]
    by_kind: dict[str, dict[str, Score]]
    unreadable: tuple[Unreadable, ...]
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
    """Scores every runtime on the questions of a file.

    Where the file holds questions without an answer, "no answer" is one, as in SQuAD 2.0.

    Args:
        target: A bundle, or a model as ``load`` takes it.
        data: Labelled questions.
        limit: How many of them to use; nothing means all.
        names: Runtimes to use; none means all that run here.
        named_reference: Where a bundle's PyTorch student is, if the user says so.
        run: Its threads, cache and progress.
    """
    path = Path(target)
    if path.is_file() or (path / FILE_NAME).is_file():
        with open_bundle(path) as opened:
            task = task_of(opened.manifest.student.architecture)
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
    answers = Answers(done=[asked], skipped=[], failed=[])
    return _score(student.task, examples, sorted_out, answers)


def _score(
    task: Task, examples: Sequence[Example], sorted_out: Examples, answers: Answers
) -> Evaluation:
    """Scores what every runtime answered to the examples that could be read."""
    readable = sorted_out.readable
    kinds = {
        "has_answer": [each for each in readable if each.answers],
        "no_answer": [each for each in readable if not each.answers],
    }
    scores, by_kind = {}, {}
    for asked in answers.done:
        texts = {
            example.id: "" if prefers_none and example.may_lack_answer else answer.text
            for example, answer, prefers_none in zip(
                readable, asked.answers, asked.prefers_none, strict=True
            )
        }
        scores[asked.runtime] = task.score(texts, examples)
        if kinds["no_answer"]:
            by_kind[asked.runtime] = {
                kind: task.score(texts, some) for kind, some in kinds.items() if some
            }
    return Evaluation(
        scores=scores,
        by_kind=by_kind,
        unreadable=sorted_out.unreadable,
        not_done=answers.not_done,
        exit_code=answers.exit_code,
    )
