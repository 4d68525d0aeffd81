"""Classifies texts, one after the other, with every runtime open from the first to the last."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from converters import backends
from converters.values.artifact import Arrays, Artifact
from converters.values.errors import InputError, PocketBertError
from pipeline.ask import Answers, Asked, Failed
from pipeline.benchmark.process import Seat, seat
from pipeline.bundle.open import Bundle
from pipeline.comparison import runtimes
from pipeline.comparison.answerers import Reader, choose
from pipeline.comparison.runtimes import PYTORCH, Results
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.task import Encoded, Example, Task

RunRows = Callable[[Sequence[Arrays]], Results]


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A text that cannot be read, and why."""

    error: InputError


def classify(
    opened: Bundle,
    examples: Iterable[Example],
    *,
    named_reference: str | None = None,
    names: Sequence[str] = (),
    run: Run,
) -> Iterator[tuple[Example, Answers | Refused]]:
    """Yields each example, and what every runtime says of it, before it takes the next.

    A runtime that fails is not asked again, and what else is running goes on.

    Args:
        opened: The bundle.
        examples: Of its task; they may come as slowly as they like, and none is kept.
        named_reference: Where the PyTorch student is, if the user says so.
        names: Runtimes to use, ``pytorch`` among them; empty for all that run here.
        run: Its threads.

    Raises:
        PocketBertError: There is nothing here that answers, or nothing any more.
        InputError: The reference would not be asked.
    """
    runtimes.check_reference(named_reference, names)
    reader = Reader(opened)
    chosen = choose(opened, named_reference=named_reference, names=names)
    failed: list[Failed] = []
    with contextlib.ExitStack() as stack:
        running: dict[str, RunRows] = {}
        if chosen.student is not None:
            running[PYTORCH] = stack.enter_context(_in_pytorch(chosen.student, run))
        for artifact, runtime in chosen.pairs:
            running[runtime] = _Sitting(stack.enter_context(seat(runtime)), artifact, runtime, run)
        for example in examples:
            try:
                encoded = reader.encode(example)
            except InputError as err:
                yield example, Refused(error=err)
                continue
            done = _ask(running, encoded, reader.task, failed)
            if not done:
                raise failed[-1].error
            answers = Answers(
                done=done, skipped=chosen.skipped, failed=list(failed), remarks=encoded.remarks,
                num_cut=int(encoded.is_cut),
            )  # fmt: skip
            yield example, answers


def _ask(
    running: dict[str, RunRows], encoded: Encoded, task: Task, failed: list[Failed]
) -> list[Asked]:
    """Returns the answers to one example; a runtime that fails goes from one list to the other."""
    rows = [row.inputs for row in encoded.rows]
    done = []
    for runtime, run_rows in list(running.items()):
        try:
            results = run_rows(rows)
        except PocketBertError as err:
            failed.append(Failed(runtime=runtime, error=err))
            del running[runtime]
            continue
        answer = task.decode(encoded, results.outputs)
        latency_ms = sum(results.latency_ms)
        done.append(Asked(runtime=runtime, answers=[answer], latency_ms=[latency_ms]))
    return done


class _Sitting:
    """An artifact in a process of its own, which loads it for the first rows."""

    def __init__(self, seat: Seat, artifact: Artifact, runtime: str, run: Run) -> None:
        self._seat = seat
        self._modules = (backends.runtime(runtime).module,)
        self._load = functools.partial(
            runtimes.load_artifact,
            artifact=artifact,
            runtime=runtime,
            num_threads=run.num_threads,
        )
        self._has_arrived = False

    def __call__(self, rows: Sequence[Arrays]) -> Results:
        if not self._has_arrived:
            self._seat.arrive(self._modules, self._load, rows[0])
            self._has_arrived = True
        return self._seat.run(rows)


@contextlib.contextmanager
def _in_pytorch(student: Student, run: Run) -> Iterator[RunRows]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(run.num_threads)
    try:
        runner = runtimes.TorchRunner(student.model, output_names=student.output_names)
        yield runtimes.WarmRunner(runner).run
    finally:
        torch.set_num_threads(before)
