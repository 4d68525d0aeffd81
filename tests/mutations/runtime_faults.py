"""Faults of runtimes: artifacts are good, and what runs them is not.

A worker gets a ``load`` that wraps the real runner into one that misbehaves, and then does what the
product's own worker does.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from converters import backends
from converters.values.artifact import Arrays, Artifact, Runner
from pipeline.comparison.runtimes import Results, job, run_artifact
from pipeline.running.jobs import Job

Outputs = dict[str, np.ndarray]
Misdeed = Callable[[Runner, Sequence[Arrays]], Outputs]
"""Given the real runner and all rows that it was given up to now: what comes out."""


def swapped_outputs(runner: Runner, rows: Sequence[Arrays]) -> Outputs:
    first, second = runner.run(rows[-1]).items()
    return {first[0]: second[1], second[0]: first[1]}


def row_before(runner: Runner, rows: Sequence[Arrays]) -> Outputs:
    """The outputs of the row that came before, of the same length."""
    length = rows[-1]["input_ids"].shape
    same = [row for row in rows if row["input_ids"].shape == length]
    return runner.run(same[-2:][0])


def stale_mask(runner: Runner, rows: Sequence[Arrays]) -> Outputs:
    """The mask of the first row of a length, for all that follow."""
    length = rows[-1]["input_ids"].shape
    first = next(row for row in rows if row["input_ids"].shape == length)
    return runner.run({**rows[-1], "attention_mask": first["attention_mask"]})


def shifted_tokens(runner: Runner, rows: Sequence[Arrays]) -> Outputs:
    """Padding goes before the tokens instead of behind them."""
    num_padding = int((rows[-1]["attention_mask"] == 0).sum())
    shifted = {name: np.roll(value, num_padding, axis=1) for name, value in rows[-1].items()}
    return runner.run(shifted)


def overflowed(runner: Runner, rows: Sequence[Arrays]) -> Outputs:
    """The largest logit as halves have it once a product before it was too large."""
    outputs = runner.run(rows[-1])
    return {name: np.where(value == value.max(), np.inf, value) for name, value in outputs.items()}


def zeros(runner: Runner, rows: Sequence[Arrays]) -> Outputs:
    """What LiteRT answers, with no error, where XNNPACK is off and weights come in groups."""
    return {name: np.zeros_like(value) for name, value in runner.run(rows[-1]).items()}


def no_number_behind_the_tokens(runner: Runner, rows: Sequence[Arrays]) -> Outputs:
    is_padding = rows[-1]["attention_mask"] == 0
    outputs = runner.run(rows[-1])
    return {name: np.where(is_padding, np.nan, value) for name, value in outputs.items()}


def one_logit_fewer(runner: Runner, rows: Sequence[Arrays]) -> Outputs:
    return {name: value[:, :-1] for name, value in runner.run(rows[-1]).items()}


def one_output(runner: Runner, rows: Sequence[Arrays]) -> Outputs:
    return dict(list(runner.run(rows[-1]).items())[:1])


def abort(runner: Runner, rows: Sequence[Arrays]) -> Outputs:
    """Ends the process as native code does, at the third row."""
    if len(rows) > 2:
        os.abort()
    return runner.run(rows[-1])


class _Misbehaving:
    def __init__(self, runner: Runner, misdeed: Misdeed) -> None:
        self._runner, self._misdeed = runner, misdeed
        self._rows: list[Arrays] = []

    def run(self, inputs: Arrays) -> Outputs:
        self._rows.append(inputs)
        return self._misdeed(self._runner, self._rows)


def faulty_job(
    artifact: Artifact,
    runtime: str,
    rows: Sequence[Arrays],
    *,
    num_threads: int,
    misdeeds: Mapping[str, Misdeed],
) -> Job:
    """Returns the job that runs rows in a runtime, which misbehaves if its backend is named."""
    honest = job(artifact, runtime, rows, num_threads=num_threads)
    if artifact.backend not in misdeeds:
        return honest
    arguments = {**honest.arguments, "misdeed": misdeeds[artifact.backend]}
    return Job(name=honest.name, function=run_misbehaving, arguments=arguments)


def run_misbehaving(*, misdeed: Misdeed, artifact: Artifact, **others: Any) -> Results:
    """The body of a worker, whose process ends after it."""
    module: Any = backends.backend(artifact.backend)
    load = module.load

    def load_misbehaving(*args: Any, **kwargs: Any) -> Runner:
        return _Misbehaving(load(*args, **kwargs), misdeed)

    module.load = load_misbehaving
    return run_artifact(artifact=artifact, **others)
