"""Runners that each sit in a process of their own and answer when it is their turn."""

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from converters.values.artifact import Arrays, Runner
from converters.values.errors import PocketBertError, first_line
from pipeline.comparison.runtimes import MAX_SECONDS_PER_ROW, Results, WarmRunner
from pipeline.running import processes
from pipeline.running.jobs import WorkerCrash
from pipeline.running.processes import peak_rss_bytes

_HINT = "leave it out with --runtime, and report it"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What it cost to sit down.

    Attributes:
        cold_start_ms: To load and to answer once; imports are not counted.
        bare_rss_bytes: The most memory that was held before anything was loaded.
    """

    cold_start_ms: float
    bare_rss_bytes: int


class Seat:
    """A process with one runner in it."""

    def __init__(self, name: str, process: BaseProcess, connection: Connection) -> None:
        self._name = name
        self._process = process
        self._connection = connection

    @property
    def pid(self) -> int | None:
        """The number of the process."""
        return self._process.pid

    def arrive(
        self, modules: Sequence[str], load: Callable[[], Runner], first_row: Arrays
    ) -> Arrival:
        """Imports modules, then loads the runner and runs one row.

        Args:
            modules: What the runtime is made of.
            load: Makes the runner; picklable.
            first_row: Of the length that takes the most memory.
        """
        arrival: Arrival = self._ask((tuple(modules), load, first_row))
        return arrival

    def time_ms(self, row: Arrays) -> float:
        """Runs one row and returns its milliseconds."""
        elapsed: float = self._ask(row)
        return elapsed

    def run(self, rows: Sequence[Arrays]) -> Results:
        """Runs rows, each length of them once before it is timed."""
        results: Results = self._ask(list(rows))
        return results

    def peak_rss_bytes(self) -> int:
        """Returns the most memory that the process has held."""
        peak: int = self._ask(None)
        return peak

    def kill(self) -> None:
        """Ends the process at once; whoever waits for its answer learns that it crashed."""
        self._process.kill()

    def _ask(self, request: object) -> Any:
        """Returns what the process answers to a request.

        Raises:
            PocketBertError: As the process has raised it.
            WorkerCrash: It hangs, has crashed, or has failed in a way that nobody foresaw.
        """
        crash = WorkerCrash(f"{self._name} crashed", hint=_HINT)
        try:
            self._connection.send(request)
        except OSError as err:  # a broken pipe, which is not that of whoever reads the results
            raise crash from err
        if not self._connection.poll(MAX_SECONDS_PER_ROW):
            self._process.kill()
            raise WorkerCrash(
                f"{self._name} hangs: no row in {MAX_SECONDS_PER_ROW} s, so it was ended",
                hint=_HINT,
            )
        try:
            answer = self._connection.recv()
        except (EOFError, OSError) as err:
            raise crash from err
        if isinstance(answer, PocketBertError):
            raise answer
        if isinstance(answer, str):
            raise WorkerCrash(f"{self._name} failed: {answer}", hint=_HINT)
        return answer


@contextlib.contextmanager
def seat(name: str) -> Iterator[Seat]:
    """Starts the process of a seat, and ends it with the block."""
    process, connection = processes.start(_sit)
    try:
        yield Seat(name, process, connection)
    finally:
        connection.close()
        process.kill()
        process.join()


def _sit(connection: Connection) -> None:
    """Answers the requests of ``Seat``, each in turn; an error is an answer, too."""
    runner: Runner | None = None
    warm: WarmRunner | None = None
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            if request is None:
                answer: object = peak_rss_bytes()
            elif isinstance(request, dict):
                assert runner is not None, "nobody has arrived"
                answer = _time_ms(runner, request)
            elif isinstance(request, list):
                assert warm is not None, "nobody has arrived"
                answer = warm.run(request)
            else:
                runner, answer = _arrive(*request)
                warm = WarmRunner(runner)
        except PocketBertError as err:
            answer = err
        except Exception as err:  # whatever a runtime raises
            answer = f"{type(err).__name__}: {first_line(err)}"
        connection.send(answer)


def _arrive(
    modules: Sequence[str], load: Callable[[], Runner], first_row: Arrays
) -> tuple[Runner, Arrival]:
    for module in modules:
        importlib.import_module(module)
    bare = peak_rss_bytes()
    begin = time.perf_counter()
    runner = load()
    runner.run(first_row)
    cold_start_ms = (time.perf_counter() - begin) * 1e3
    return runner, Arrival(cold_start_ms=cold_start_ms, bare_rss_bytes=bare)


def _time_ms(runner: Runner, row: Arrays) -> float:
    begin = time.perf_counter()
    runner.run(row)
    return (time.perf_counter() - begin) * 1e3
