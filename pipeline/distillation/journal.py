"""Shows how a run goes: a bar on a terminal, plain lines elsewhere, a log, a picture at the end."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pipeline.files.canonical import json_value
from pipeline.running.terminal import Terminal

LOG_EVERY = 10
"""Updates whose losses are averaged into one line of the log."""

_NOT_LOSSES = ("step", "learning_rate", "seconds")

PLAIN_LINE_SECONDS = 60.0
"""Where there is no terminal, a line is printed at most this often."""


class Journal:
    """Records each update and each evaluation of a run."""

    def __init__(self, log: Path, *, num_steps: int, is_main: bool) -> None:
        self._log = log
        self._num_steps = num_steps
        self._is_main = is_main
        self._console = Terminal(stderr=True, highlight=False, quiet=not is_main)
        self._progress = Progress(
            TextColumn("loss {task.fields[loss]:.3f}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._bar = self._progress.add_task("", total=num_steps, loss=float("nan"))
        self._sums: dict[str, float] = {}
        self._count = 0
        self._learning_rate = 0.0
        self._begin = self._last_line = time.monotonic()
        self._first_step = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the bar for as long as the run goes."""
        with self._progress:
            yield

    def begin(self, step: int) -> None:
        """Records where a run begins; what an interrupted run logged beyond it is dropped."""
        self._first_step = step
        self._begin = self._last_line = time.monotonic()
        self._progress.update(self._bar, completed=step)
        if self._is_main and self._log.is_file():
            kept = [line for line in read_log(self._log) if line["step"] <= step]
            partial = self._log.with_name(f".{self._log.name}.partial")
            partial.write_text("".join(f"{json.dumps(line)}\n" for line in kept), encoding="utf-8")
            partial.replace(self._log)

    def update(self, step: int, losses: Mapping[str, float], *, learning_rate: float) -> None:
        """Records an update and the losses that it was made for."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        self._learning_rate = learning_rate
        if step % LOG_EVERY == 0 or step == self._num_steps:
            self.flush(step)

    def flush(self, step: int) -> None:
        """Writes the means of the updates since the last line, if there were any."""
        if not self._count:
            return
        means = {name: value / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        self._write({"step": step, **means, "learning_rate": self._learning_rate})
        self._progress.update(self._bar, completed=step, loss=means["loss"])
        if not self._console.is_terminal:
            self._plain_line(step, means)

    def evaluated(self, step: int, scores: Mapping[str, float]) -> None:
        """Records what the held-out data gave."""
        self._write({"step": step, "evaluation": dict(scores)})
        figures = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
        self._console.print(f"step {step}: {figures}")

    def _plain_line(self, step: int, means: Mapping[str, float]) -> None:
        now = time.monotonic()
        if now - self._last_line < PLAIN_LINE_SECONDS and step != self._num_steps:
            return
        self._last_line = now
        rate = (now - self._begin) / max(1, step - self._first_step)
        left = rate * (self._num_steps - step) / 60
        self._console.print(
            f"step {step} of {self._num_steps}, loss {means['loss']:.3f}, {left:.0f} min left"
        )

    def _write(self, line: dict[str, Any]) -> None:
        if not self._is_main:
            return
        line["seconds"] = round(time.monotonic() - self._begin, 1)
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{json.dumps(json_value(line), allow_nan=False)}\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of a log; a last line that an interruption cut is left out."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def draw_losses(log: Path, picture: Path) -> None:
    """Draws the losses of a log, and the figures of its evaluations, over the steps."""
    from matplotlib.figure import Figure

    lines = read_log(log)
    updates = [line for line in lines if "loss" in line]
    evaluations = [line for line in lines if "evaluation" in line]
    figure = Figure(figsize=(8, 6), layout="constrained")
    losses, scores = figure.subplots(2, 1, sharex=True)
    for name in [name for name in updates[-1] if name not in _NOT_LOSSES]:
        losses.plot([u["step"] for u in updates], [u[name] for u in updates], label=name)
    losses.set_ylabel("loss")
    losses.set_yscale("log")
    for name in evaluations[-1]["evaluation"]:
        values = [each["evaluation"][name] for each in evaluations]
        scores.plot([each["step"] for each in evaluations], values, marker="o", label=name)
    scores.set_ylabel("held-out data")
    scores.set_xlabel("step")
    for axes in (losses, scores):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)
