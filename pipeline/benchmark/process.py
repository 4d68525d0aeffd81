"""Runners that each sit in a process of their own and answer when it is their turn."""

import contextlib
import importlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from converters.values.artifact import Arrays, Runner
from converters.values.errors import PocketBertError, first_line
from pipeline.comparison.runtimes import MAX_SECONDS_PER_ROW
from pipeline.running.jobs import WorkerCrash, end_with_the_caller, limit_memory, peak_rss_bytes
from pipeline.running.spawning import without_the_script

_seated: dict[str, Runner] = {}
"""In the process of a seat: the runner that sits there."""


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

    def __init__(self, name: str, pool: ProcessPoolExecutor) -> None:
        self._name = name
        self._pool = pool
        self._pid: int = self._ask(os.getpid)

    def arrive(
        self, modules: Sequence[str], load: Callable[[], Runner], first_row: Arrays
    ) -> Arrival:
        """Imports modules, then loads the runner and runs one row.

        Args:
            modules: What the runtime is made of.
            load: Makes the runner; picklable.
            first_row: Of the length that takes the most memory.
        """
        arrival: Arrival = self._ask(_arrive, tuple(modules), load, first_row)
        return arrival

    def time_ms(self, row: Arrays) -> float:
        """Runs one row and returns its milliseconds."""
        elapsed: float = self._ask(_time_ms, row)
        return elapsed

    def peak_rss_bytes(self) -> int:
        """Returns the most memory that the process has held."""
        peak: int = self._ask(peak_rss_bytes)
        return peak

    def _ask(self, function: Callable[..., Any], *arguments: object) -> Any:
        try:
            with without_the_script():  # the first call starts the process
                asked = self._pool.submit(function, *arguments)
            return asked.result(MAX_SECONDS_PER_ROW)
        except PocketBertError:
            raise
        except TimeoutError as err:
            os.kill(self._pid, signal.SIGKILL)  # the pool waits for it
            raise WorkerCrash(
                f"{self._name} hangs: no row in {MAX_SECONDS_PER_ROW} s, so it was ended",
                hint="leave it out with --runtime, and report it",
            ) from err
        except BrokenProcessPool as err:
            raise WorkerCrash(
                f"{self._name} crashed", hint="leave it out with --runtime, and report it"
            ) from err
        except Exception as err:  # whatever a runtime raises
            raise WorkerCrash(
                f"{self._name} failed: {type(err).__name__}: {first_line(err)}",
                hint="leave it out with --runtime, and report it",
            ) from err


@contextlib.contextmanager
def seat(name: str) -> Iterator[Seat]:
    """Starts the process of a seat, and ends it with the block."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_sit_down) as pool:
        yield Seat(name, pool)


def _sit_down() -> None:
    """Keeps the chatter of native libraries from the terminal, and leaves the end to the caller."""
    end_with_the_caller()
    limit_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _arrive(modules: Sequence[str], load: Callable[[], Runner], first_row: Arrays) -> Arrival:
    for module in modules:
        importlib.import_module(module)
    bare = peak_rss_bytes()
    begin = time.perf_counter()
    runner = load()
    runner.run(first_row)
    cold_start_ms = (time.perf_counter() - begin) * 1e3
    _seated["runner"] = runner
    return Arrival(cold_start_ms=cold_start_ms, bare_rss_bytes=bare)


def _time_ms(row: Arrays) -> float:
    runner = _seated["runner"]
    begin = time.perf_counter()
    runner.run(row)
    return (time.perf_counter() - begin) * 1e3
