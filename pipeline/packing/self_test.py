"""Runs a bundle's self test here, as an app does it on a phone, and writes what it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converters.values.artifact import Arrays, Artifact
from pipeline.bundle import vectors
from pipeline.bundle.manifest import VECTORS
from pipeline.bundle.open import Bundle, Problem
from pipeline.comparison import runtimes
from pipeline.comparison.runtimes import Results, Skipped
from pipeline.on_device.row import Row
from pipeline.on_device.self_test import Engine, EngineResult, SelfTest
from pipeline.on_device.task import Outputs
from pipeline.on_device.wordpiece import open_tokenizer
from pipeline.running.run import Run
from pipeline.tasks import task_of_bundle


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What one runtime made of the self test."""

    runtime: str
    tolerance: float
    found: EngineResult

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return {
            "runtime": self.runtime,
            "max_abs_diff": self.found.max_abs_diff,
            "tolerance": self.tolerance,
            "num_same": self.found.num_same,
            "num_asked": self.found.num_asked,
            "verdict": "fail" if self.found.problems else "pass",
        }


@dataclass(frozen=True, kw_only=True)
class SelfTestResult:
    """What came of a self test."""

    done: tuple[Tested, ...]
    problems: tuple[Problem, ...]
    skipped: tuple[Skipped, ...]


def run(opened: Bundle, *, names: Sequence[str] = (), run: Run) -> SelfTestResult:
    """Tests the tokenizer, rows and decoder, then every artifact in every runtime.

    Args:
        opened: A bundle in which ``verify`` finds no problem.
        names: Runtimes to use; empty for all that run here.
        run: Its threads, cache and progress.

    Raises:
        PocketBertError: No runtime can run here, or the bundle has no vectors.
    """
    pairs, skipped = runtimes.choose(names, opened.artifacts)
    if not pairs:
        raise runtimes.nothing_ran(skipped)
    manifest = opened.manifest
    stated = vectors.read(opened.folder / VECTORS)
    test = SelfTest(
        stated,
        open_tokenizer(opened.folder, manifest.tokenizer),
        settings=manifest.tokenizer,
        task=task_of_bundle(manifest).on_device(),
    )
    problems = [Problem(path=VECTORS, problem=problem) for problem in test.check_reading()]
    if problems:  # engines would be asked the wrong rows
        return SelfTestResult(done=(), problems=tuple(problems), skipped=tuple(skipped))
    rows = [row for vector in stated.examples for row in test.rows(vector)]
    jobs = [
        runtimes.job(
            artifact,
            runtime,
            [_inputs(row, artifact) for row in rows],
            num_threads=run.num_threads_each,
            verb="test",
        )
        for artifact, runtime in pairs
    ]
    outcomes = run.run_jobs(jobs, max_parallel=run.num_parallel)
    done = []
    for (artifact, runtime), outcome in zip(pairs, outcomes, strict=True):
        path = artifact.path.relative_to(opened.folder).as_posix()
        if path not in stated.tolerances:
            problems.append(Problem(path=VECTORS, problem=f"it has no tolerance for {path}"))
        elif outcome.error is not None:
            problems.append(Problem(path=path, problem=f"{runtime}: {outcome.error.message}"))
        else:
            found = test.check_engine(path, _recorded(outcome.get()))
            said = found.problems
            problems += [Problem(path=path, problem=f"{runtime}: {each}") for each in said]
            done.append(Tested(runtime=runtime, tolerance=stated.tolerances[path], found=found))
    return SelfTestResult(done=tuple(done), problems=tuple(problems), skipped=tuple(skipped))


def _recorded(results: Results) -> Engine:
    """Returns an engine that has run all rows already, in their order."""
    outputs = iter(results.outputs)

    def answer(row: Row) -> Outputs:
        del row
        return {name: values[0].ravel().tolist() for name, values in next(outputs).items()}

    return answer


def _inputs(row: Row, artifact: Artifact) -> Arrays:
    """Returns what an artifact takes of a row: not all take types of tokens."""
    return {spec.name: np.array([getattr(row, spec.name)], np.int32) for spec in artifact.inputs}
