"""Asks a bundle examples of its task, in PyTorch and in every runtime, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from converters.values.artifact import Arrays, Artifact
from converters.values.errors import PocketBertError
from pipeline.bundle.open import Bundle
from pipeline.comparison import runtimes
from pipeline.comparison.answerers import Reader, choose
from pipeline.comparison.runtimes import PYTORCH, Results, Skipped
from pipeline.running.jobs import reporting_to, run_jobs
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.task import Encoded, Example, Task


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One runtime's answers, in the order of the examples.

    Attributes:
        answers: For each example, of its task's own type.
        latency_ms: For each example, the time of its rows once the runtime was warm.
    """

    runtime: str
    answers: list[Any]
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
        num_cut: Examples of which a part was not read.
    """

    done: list[Asked]
    skipped: list[Skipped]
    failed: list[Failed]
    remarks: tuple[str, ...] = ()
    num_cut: int = 0

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
    examples: Sequence[Example],
    *,
    named_reference: str | None = None,
    names: Sequence[str] = (),
    run: Run,
) -> Answers:
    """Answers examples with every artifact of a bundle, and with its PyTorch student.

    Args:
        opened: The bundle.
        examples: Of its task.
        named_reference: Where the PyTorch student is, if the user says so.
        names: Runtimes to use, ``pytorch`` among them; empty for all that run here.
        run: Its threads, cache and progress.

    Raises:
        PocketBertError: An example cannot be read, or there is nothing here that answers.
        InputError: The reference would not be asked.
    """
    runtimes.check_reference(named_reference, names)
    reader = Reader(opened)
    encoded = [reader.encode(example) for example in examples]
    chosen = choose(opened, named_reference=named_reference, names=names)
    asked = [] if chosen.student is None else [ask_student(chosen.student, encoded, run=run)]
    in_runtimes, failed = _ask_artifacts(chosen.pairs, encoded, reader.task, run)
    return Answers(
        done=asked + in_runtimes,
        skipped=chosen.skipped,
        failed=failed,
        remarks=tuple(remark for item in encoded for remark in item.remarks),
        num_cut=sum(item.is_cut for item in encoded),
    )


def ask_student(student: Student, encoded: Sequence[Encoded], *, run: Run) -> Asked:
    """Answers examples with the PyTorch student."""
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


def _rows(encoded: Sequence[Encoded]) -> list[Arrays]:
    return [row.inputs for item in encoded for row in item.rows]


def _decode(runtime: str, encoded: Sequence[Encoded], results: Results, task: Task) -> Asked:
    outputs, times = iter(results.outputs), iter(results.latency_ms)
    return Asked(
        runtime=runtime,
        answers=[task.decode(item, [next(outputs) for _ in item.rows]) for item in encoded],
        latency_ms=[sum(next(times) for _ in item.rows) for item in encoded],
    )
