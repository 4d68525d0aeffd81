"""Shows a person how work goes: a bar on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import progress as bars

from pipeline.running.jobs import Job, Outcome
from pipeline.running.processes import peak_rss_bytes
from pipeline.running.terminal import Terminal, one_line

Update = Callable[[str, int], None]
"""Takes the name of who works, and how many units of the work are done."""


@dataclass
class Stage:
    """A stage that runs; whoever runs it says if the result was there already."""

    is_reused: bool = False


class Progress:
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

    def done(self, outcome: Outcome[Any]) -> None:
        """Prints how a job ended that ran in a process of its own."""
        mark = "reused" if outcome.is_reused else "done" if outcome.error is None else "failed"
        self._print(outcome.name, outcome.seconds, outcome.peak_rss_bytes, mark)

    def count(self, jobs: Sequence[Job[Any]]) -> contextlib.AbstractContextManager[Update]:
        """Shows a bar for each job that counts its work, from its first unit on."""
        return self.bars({job.name: job.num_units for job in jobs if job.num_units is not None})

    @contextlib.contextmanager
    def bars(self, totals: dict[str, int]) -> Iterator[Update]:
        """Shows a bar for each name that has units of work to do, from the first unit on."""
        columns = (
            bars.TextColumn("{task.description:24}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeRemainingColumn(),
        )
        shown: dict[str, bars.TaskID] = {}
        with bars.Progress(
            *columns, console=self._console, transient=True, disable=not self._console.is_terminal
        ) as progress:

            def update(name: str, done: int) -> None:
                if name not in shown and name in totals:
                    shown[name] = progress.add_task(one_line(name), total=totals[name])
                if name in shown:
                    progress.update(shown[name], completed=done)

            yield update

    def _print(self, name: str, seconds: float, peak_bytes: int, mark: str) -> None:
        if mark == "reused":
            self.reused.append(name)
        self._console.print(f"{name:26} {mark:6} {seconds:6.1f} s  {peak_bytes / 1e9:5.2f} GB peak")
