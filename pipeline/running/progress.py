"""Tells a person how long work goes: a bar on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.running.jobs import Outcome, peak_rss_bytes
from pipeline.running.terminal import Terminal, one_line


@dataclass
class Stage:
    """A stage that runs; whoever runs it says if the result was there already."""

    is_reused: bool = False


class Stages:
    """Prints each stage with its time and memory to stderr as it ends.

    Attributes:
        reused: The names of those whose results were there already, in the order in which they
            were needed.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.reused: list[str] = []
        self._console = Terminal(stderr=True, highlight=False, quiet=quiet)
        self._begin = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self._begin

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Times one stage that runs in this process."""
        begin = time.perf_counter()
        stage = Stage()
        yield stage
        mark = "reused" if stage.is_reused else "done"
        self._print(name, time.perf_counter() - begin, peak_rss_bytes(), mark)

    def done(self, outcome: Outcome) -> None:
        """Tells of a job that ended in a process of its own."""
        mark = "reused" if outcome.is_reused else "done" if outcome.error is None else "failed"
        self._print(outcome.name, outcome.seconds, outcome.peak_rss_bytes, mark)

    @contextlib.contextmanager
    def count(self, total: int) -> Iterator["Counter"]:
        """Gives a counter of units of work, each counted under the name of who does it."""
        columns = (
            TextColumn("{task.description:24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(
            *columns, console=self._console, transient=True, disable=not self._console.is_terminal
        ) as progress:
            yield Counter(progress, total)

    def _print(self, name: str, seconds: float, peak_bytes: int, mark: str) -> None:
        if mark == "reused":
            self.reused.append(name)
        self._console.print(f"{name:26} {mark:6} {seconds:6.1f} s  {peak_bytes / 1e9:5.2f} GB peak")


class Counter:
    """Counts work under names, each with a bar of its own."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._bars: dict[str, object] = {}

    def update(self, name: str, done: int) -> None:
        """Tells that ``done`` units are done under a name."""
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(one_line(name), total=self._total)
        self._progress.update(self._bars[name], completed=done)  # type: ignore[arg-type]
