"""Runs functions in processes of their own, so that a library that crashes takes nothing along.

Converters and runtimes are native code: one that aborts would end the caller too, and several of
them in one process fight over threads and memory. Each job gets a fresh process, its chatter is
kept from the terminal, and its end is told in one line. One that must report may not be silent for
long.
"""

import contextlib
import ctypes
import errno
import math
import os
import pickle
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, TypeVar

from converters.values.errors import PocketBertError, first_line, storage_error
from pipeline.running import processes
from pipeline.running.processes import memory_bytes, peak_rss_bytes

Result = TypeVar("Result")

Report = Callable[[int], None]
"""Takes how many units of its work a job has done."""

MAX_SECONDS_PER_FILE = 300
"""To read one artifact, which takes seconds."""

_NO_MEMORY = ("bad_alloc", os.strerror(errno.ENOMEM))
"""What native libraries say where the system gives them no memory."""

_HINT = "see `pocketbert doctor` for versions, and report it"
_MEMORY_HINT = "end other programs, or run it on a machine with more memory"

_report: ContextVar[Report] = ContextVar("report", default=lambda done: None)


@dataclass(frozen=True, kw_only=True)
class Job(Generic[Result]):
    """A call to run in a process of its own.

    Attributes:
        name: For people.
        function: A module's function; it may call ``report``.
        arguments: By keyword; they and the result must be picklable.
        num_units: Of work, as ``report`` counts them; None where it counts none.
        max_silent_seconds: How long it may be until it first reports, and from one report to the
            next; it is taken to hang, and killed, then.
    """

    name: str
    function: Callable[..., Result]
    arguments: Mapping[str, Any]
    num_units: int | None = None
    max_silent_seconds: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Result]):
    """How a job ended.

    Attributes:
        value: What the function returned, where it did.
        error: What stopped it, where something did.
        seconds: Wall time, the start of the process included.
        peak_rss_bytes: The most memory that the process held.
        is_reused: Whether no process was needed, for the value was there already.
    """

    name: str
    value: Result | None = None
    error: PocketBertError | None = None
    seconds: float
    peak_rss_bytes: int = 0
    is_reused: bool = False

    def get(self) -> Result:
        """Returns the value, or raises the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # a function may return None


class WorkerCrash(PocketBertError):  # noqa: N818  it is what happened, and every caller handles it
    """A process ended without a result, or with an error that nobody foresaw."""


def report(done: int) -> None:
    """Reports how many units of its work the job is done with, whose function calls this."""
    _report.get()(done)


@contextlib.contextmanager
def reporting_to(receiver: Report) -> Iterator[None]:
    """Lets a function that reports be called in this process."""
    token = _report.set(receiver)
    try:
        yield
    finally:
        _report.reset(token)


def run_jobs(
    jobs: Sequence[Job[Result]],
    *,
    max_parallel: int,
    on_progress: Callable[[str, int], None] = lambda name, done: None,
    on_done: Callable[[int, Outcome[Result]], None] = lambda place, outcome: None,
) -> list[Outcome[Result]]:
    """Runs jobs, at most ``max_parallel`` at a time, and returns their outcomes in order.

    When the caller is interrupted, processes that still run are ended first.

    Args:
        jobs: Their names need not differ.
        max_parallel: How many run at a time.
        on_progress: Called with a job's name and how many units it is done with.
        on_done: Called with a job's place among them and its outcome, as soon as it ends.
    """
    running = _Running()
    _give_back_memory()

    def run(place: int, job: Job[Result]) -> Outcome[Result]:
        outcome = _run(job, running, lambda done: on_progress(job.name, done))
        if not running.is_ended:
            on_done(place, outcome)
        return outcome

    with ThreadPoolExecutor(max_workers=max_parallel) as pool:
        try:
            futures = [pool.submit(run, place, job) for place, job in enumerate(jobs)]
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            running.end()
            raise


class _Running:
    """The processes of some jobs; once ended, no other starts."""

    def __init__(self) -> None:
        self.is_ended = False
        self._lock = threading.Lock()
        self._processes: list[BaseProcess] = []

    def start(self, saved: Path, log: Path) -> tuple[BaseProcess, Connection] | None:
        with self._lock:
            if self.is_ended:
                return None
            process, connection = processes.start(_work, saved, log=log)
            self._processes.append(process)
            return process, connection

    def end(self) -> None:
        with self._lock:
            self.is_ended = True
            for process in self._processes:
                process.kill()


def _give_back_memory() -> None:
    """Returns freed memory to the system, for the workers to have.

    glibc keeps what lies below a small block that lives: after PyTorch has read 200 questions, and
    their logits are kept, up to 1 GB.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _run(job: Job[Result], running: _Running, on_progress: Report) -> Outcome[Result]:
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="pocketbert-") as folder:
        log, saved = Path(folder, "log"), Path(folder, "job")
        # Through a file: a process that is killed before it has read its pipe would leave the
        # caller writing into it for ever (CPython keeps the other end open, too).
        saved.write_bytes(pickle.dumps(job))
        started = running.start(saved, log)
        if started is None:
            error = WorkerCrash(f"{job.name} was not started, for the run was ended")
            return Outcome(name=job.name, error=error, seconds=0.0)
        process, connection = started
        with connection:
            try:
                result = _receive(connection, on_progress, job.max_silent_seconds)
            except TimeoutError as err:
                process.kill()
                process.join()
                error = WorkerCrash(f"{job.name} hangs: {err}", hint=_HINT)
                return Outcome(name=job.name, error=error, seconds=time.perf_counter() - begin)
        process.join()
        seconds = time.perf_counter() - begin
        if result is None:
            error = _crash(job.name, process.exitcode, said=_last_line(log))
            return Outcome(name=job.name, error=error, seconds=seconds)
    value, error, peak = result
    return Outcome(name=job.name, value=value, error=error, seconds=seconds, peak_rss_bytes=peak)


def _receive(receiver: Connection, on_progress: Report, max_silent_seconds: float) -> Any:
    """Returns what the worker sent at its end, or ``None`` if it ended without.

    Raises:
        TimeoutError: It was silent for too long.
    """
    patience = None if math.isinf(max_silent_seconds) else max_silent_seconds
    while True:
        if not receiver.poll(patience):
            raise TimeoutError(f"no sign of it in {patience:g} s, so it was ended")
        try:
            kind, content = receiver.recv()
        # It may end in the middle of a message, too, which is an OSError without a number.
        except (EOFError, OSError):
            return None
        if kind == "result":
            return content
        on_progress(content)


def _work(connection: Connection, saved: Path) -> None:
    """The body of a worker process."""
    job: Job[Any] = pickle.loads(saved.read_bytes())
    value, error = None, None
    try:
        with reporting_to(lambda done: connection.send(("progress", done))):
            value = job.function(**job.arguments)
    except PocketBertError as err:
        error = err
    except Exception as err:
        traceback.print_exc()
        error = storage_error(err) or _failure(job.name, err)
    connection.send(("result", (value, error, peak_rss_bytes())))


def _failure(name: str, err: Exception) -> WorkerCrash:
    """Returns what to say of an error that nobody foresaw."""
    if isinstance(err, MemoryError) or any(words in str(err) for words in _NO_MEMORY):
        return WorkerCrash(
            f"{name} needs more memory than there is: {memory_bytes() / 1e9:.0f} GB",
            hint=_MEMORY_HINT,
        )
    return WorkerCrash(f"{name} failed: {type(err).__name__}: {first_line(err)}", hint=_HINT)


def _crash(name: str, exit_code: int | None, *, said: str) -> WorkerCrash:
    """Returns what to say of a process that ended without a result."""
    # That signal leaves no other trace; the system sends it where memory runs out.
    hint = _MEMORY_HINT if exit_code == -signal.SIGKILL else _HINT
    how = _how_it_ended(exit_code)
    return WorkerCrash(f"{name} crashed ({how})" + (f": {said}" if said else ""), hint=hint)


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
