"""Asks a bundle a question, in PyTorch and in every runtime, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from converters.values.artifact import Arrays, Artifact
from converters.values.errors import PocketBertError
from pipeline.bundle.open import Bundle
from pipeline.comparison import runtimes
from pipeline.comparison.runtimes import PYTORCH, Results, Skipped
from pipeline.running.jobs import reporting_to, run_jobs
from pipeline.running.run import Run
from pipeline.student import reference
from pipeline.student.load import Student
from pipeline.student.reference import ReferenceNotFoundError
from pipeline.tasks import Task, task_of
from pipeline.tasks.question_answering import Answer, Encoded
from pipeline.tasks.question_answering.squad import Question
from pipeline.tokenizer.tokenization import bundle_tokenizer


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One runtime's answers, in the order of the questions.

    Attributes:
        answers: For each question its best span, whatever the runtime thinks of it.
        prefers_none: For each question whether "no answer" is ahead of that span, which says
            something only of a model that was trained on questions without an answer.
        latency_ms: For each question, the time of its rows once the runtime was warm.
    """

    runtime: str
    answers: list[Answer]
    prefers_none: list[bool]
    latency_ms: list[float]


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A runtime that should have answered, and what stopped it."""

    runtime: str
    error: PocketBertError


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came of asking.

    Attributes:
        remarks: What a reader of the answers must know, in words.
    """

    done: list[Asked]
    skipped: list[Skipped]
    failed: list[Failed]
    remarks: tuple[str, ...] = ()

    @property
    def not_done(self) -> list[Skipped]:
        """Those that gave no answer, failed ones among them, each with its reason."""
        return self.skipped + [
            Skipped(runtime=each.runtime, reason=f"failed: {each.error.message}")
            for each in self.failed
        ]

    @property
    def exit_code(self) -> int:
        """Zero unless a runtime failed."""
        return self.failed[0].error.exit_code if self.failed else 0


def ask(
    opened: Bundle,
    questions: Sequence[Question],
    *,
    named_reference: str | None = None,
    names: Sequence[str] = (),
    run: Run,
) -> Answers:
    """Answers questions with every artifact of a bundle, and with its PyTorch student.

    Args:
        opened: The bundle.
        questions: With their contexts.
        named_reference: Where the PyTorch student is, if the user says so.
        names: Runtimes to use, ``pytorch`` among them; none means all that run here.
        run: Its threads, cache and progress.

    Raises:
        PocketBertError: A question cannot be read, or there is nothing here that answers.
        InputError: The reference would not be asked.
    """
    runtimes.check_reference(named_reference, names)
    artifacts = opened.artifacts
    task = task_of(opened.manifest.student.architecture)
    tokenizer = bundle_tokenizer(opened.folder, opened.manifest.tokenizer)
    encoded = [
        task.encode(
            question,
            tokenizer=tokenizer,
            input_names=tuple(spec.name for spec in artifacts[0].inputs),
            seq_lens=artifacts[0].seq_lens,
        )
        for question in questions
    ]
    pairs, skipped = runtimes.choose(names, artifacts)
    asked = []
    if not names or PYTORCH in names:
        try:
            student = reference.find(opened, named=named_reference)
            asked.append(ask_student(student, encoded, run=run))
        except ReferenceNotFoundError as err:
            skipped.insert(0, Skipped(runtime=PYTORCH, reason=f"{err.message}; {err.hint}"))
    if not asked and not pairs:
        raise runtimes.nothing_ran(skipped)
    in_runtimes, failed = _ask_artifacts(pairs, encoded, task, run)
    return Answers(
        done=asked + in_runtimes, skipped=skipped, failed=failed, remarks=_remarks(encoded)
    )


def ask_student(student: Student, encoded: Sequence[Encoded], *, run: Run) -> Asked:
    """Answers questions with the PyTorch student."""
    rows = _rows(encoded)
    with (
        run.progress.bars({PYTORCH: len(rows)}) as update,
        reporting_to(lambda done: update(PYTORCH, done)),
    ):
        results = runtimes.run_student(student, rows, num_threads=run.num_threads)
    return _decode(PYTORCH, encoded, results, student.task)


def _ask_artifacts(
    pairs: Sequence[tuple[Artifact, str]],
    encoded: Sequence[Encoded],
    task: Task,
    run: Run,
) -> tuple[list[Asked], list[Failed]]:
    rows = _rows(encoded)
    jobs = [
        runtimes.job(artifact, runtime, rows, num_threads=run.num_threads)
        for artifact, runtime in pairs
    ]
    with run.progress.count(jobs) as update:
        outcomes = run_jobs(jobs, max_parallel=1, on_progress=update)
    asked, failed = [], []
    for (_, runtime), outcome in zip(pairs, outcomes, strict=True):
        if outcome.error is not None:
            failed.append(Failed(runtime=runtime, error=outcome.error))
        else:
            asked.append(_decode(runtime, encoded, outcome.get(), task))
    return asked, failed


def _remarks(encoded: Sequence[Encoded]) -> tuple[str, ...]:
    """Says of each question that is longer than its place in a row what of it was read."""
    return tuple(
        f"the question has {item.num_question_tokens} tokens, of which only the first "
        f"{item.num_question_tokens_read} are read"
        for item in encoded
        if item.num_question_tokens_read < item.num_question_tokens
    )


def _rows(encoded: Sequence[Encoded]) -> list[Arrays]:
    return [window.inputs for item in encoded for window in item.windows]


def _decode(runtime: str, encoded: Sequence[Encoded], results: Results, task: Task) -> Asked:
    outputs, times = iter(results.outputs), iter(results.latency_ms)
    answers, prefers_none, latency_ms = [], [], []
    for item in encoded:
        own = [next(outputs) for _ in item.windows]
        answers.append(task.decode(item, own))
        prefers_none.append(task.prefers_no_answer(item, own))
        latency_ms.append(sum(next(times) for _ in item.windows))
    return Asked(runtime=runtime, answers=answers, prefers_none=prefers_none, latency_ms=latency_ms)
