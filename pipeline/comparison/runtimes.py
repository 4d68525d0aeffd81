"""Runs rows of input through the PyTorch student and through artifacts.

Torch is imported only where the student runs, so that a worker which runs an artifact starts fast
and its memory is the runtime's own.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from converters import backends
from converters.values.artifact import Arrays, Artifact, Runner
from converters.values.errors import InputError, MissingPackageError, PocketBertError
from pipeline.files.checksums import checked
from pipeline.running.jobs import Job, report
from pipeline.running.one_at_a_time import ALONE

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.student.load import Student

PYTORCH = "pytorch"

MAX_SECONDS_PER_ROW = 300
"""After which a runtime is taken to hang: several hundred times what BERT-base takes for 384 tokens
on one thread. The first row of a job has its file to load in the same time."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """For each row its outputs by name, and how long it took once the runtime was warm."""

    outputs: list[dict[str, np.ndarray]]
    latency_ms: list[float]


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A runtime that could not run here, and why."""

    runtime: str
    reason: str


def choose(
    names: Sequence[str], artifacts: Sequence[Artifact]
) -> tuple[list[tuple[Artifact, str]], list[Skipped]]:
    """Pairs each artifact with the runtimes that run it here.

    Args:
        names: Runtimes that the user asked for; empty for all.
        artifacts: What there is to run.

    Raises:
        InputError: A name is not that of a runtime.
    """
    for name in names:
        if name != PYTORCH:
            backends.runtime(name)
    pairs, skipped = [], []
    for runtime in backends.RUNTIMES:
        if names and runtime.name not in names:
            continue
        matching = [artifact for artifact in artifacts if artifact.backend == runtime.backend]
        reason = backends.why_unavailable(runtime)
        if not matching:
            if names:
                reason = f"the bundle has no {runtime.backend} artifact"
                skipped.append(Skipped(runtime=runtime.name, reason=reason))
        elif reason is not None:
            skipped.append(Skipped(runtime=runtime.name, reason=reason))
        else:
            pairs += [(artifact, runtime.name) for artifact in matching]
    if backends.TASK_LIBRARY.name in names:
        reason = "it gives no logits: only `pocketbert parity` runs it"
        skipped.append(Skipped(runtime=backends.TASK_LIBRARY.name, reason=reason))
    return pairs, skipped


def check_artifacts_only(names: Sequence[str]) -> None:
    """Refuses PyTorch among the runtimes that are to be compared with it."""
    if PYTORCH in names:
        raise InputError(
            f"--runtime {PYTORCH} is what every other runtime is compared with",
            hint="leave it out, or name a runtime of an artifact, such as litert",
        )


def check_reference(named: str | None, names: Sequence[str]) -> None:
    """Refuses a reference that would have no effect.

    Args:
        named: Where the user says that the student is.
        names: Runtimes that the user asked for; empty for all.
    """
    if named is not None and names and PYTORCH not in names:
        raise InputError(
            f"--reference {named} names the PyTorch student, and only {', '.join(names)} is to run",
            hint=f"add --runtime {PYTORCH}, or leave out --reference",
        )


def nothing_ran(skipped: Sequence[Skipped]) -> PocketBertError:
    """Returns the error of a call that no runtime answered: a skip is never called good."""
    reasons = "; ".join(f"{each.runtime}: {each.reason}" for each in skipped)
    message = f"nothing could run: {reasons or 'no runtime reads the artifacts of this bundle'}"
    for each in skipped:
        if each.runtime != PYTORCH:
            known = backends.runtime(each.runtime)
            if backends.missing_packages(known.packages):
                return MissingPackageError(message, hint=backends.install_line(known.extra))
    return InputError(message, hint="choose another --runtime, or build for another backend")


def job(
    artifact: Artifact,
    runtime: str,
    rows: Sequence[Arrays],
    *,
    num_threads: int,
    verb: str = "run",
) -> Job[Results]:
    """Returns the job that runs rows through an artifact in a process of its own."""
    return Job(
        name=f"{verb} {runtime}",
        function=run_artifact,
        arguments={
            "artifact": artifact,
            "runtime": runtime,
            "rows": rows,
            "num_threads": num_threads,
        },
        num_units=len(rows),
        max_silent_seconds=MAX_SECONDS_PER_ROW,
    )


def load_artifact(*, artifact: Artifact, runtime: str, num_threads: int) -> Runner:
    """Loads an artifact into a runtime, in this process.

    Raises:
        GateError: It is not what the manifest of its bundle states.
    """
    module = backends.backend(artifact.backend)
    return module.load(checked(artifact), runtime=runtime, num_threads=num_threads)


def run_artifact(
    *, artifact: Artifact, runtime: str, rows: Sequence[Arrays], num_threads: int
) -> Results:
    """Runs rows through an artifact in this process."""
    runner = load_artifact(artifact=artifact, runtime=runtime, num_threads=num_threads)
    return WarmRunner(runner).run(rows)


def run_student(
    student: "Student", rows: Sequence[Arrays], *, num_threads: int | None = None
) -> Results:
    """Runs rows through the PyTorch student in fp32."""
    import torch

    with ALONE:
        before = torch.get_num_threads()
        torch.set_num_threads(num_threads or before)
        try:
            runner = TorchRunner(student.model, output_names=student.output_names)
            return WarmRunner(runner).run(rows)
        finally:
            torch.set_num_threads(before)


def run_student_rows(student: "Student", rows: Sequence[Arrays]) -> Results:
    """Runs rows through the PyTorch student in fp32 to outputs that no number of threads changes.

    Each row runs on one thread, and as many rows at a time as PyTorch has threads.
    """
    import torch

    from pipeline.running.threads import one_thread

    num_threads = torch.get_num_threads()
    runner = TorchRunner(student.model, output_names=student.output_names)

    def run(row: Arrays) -> tuple[dict[str, np.ndarray], float]:
        begin = time.perf_counter()
        return runner.run(row), (time.perf_counter() - begin) * 1e3

    with one_thread(), ThreadPoolExecutor(num_threads) as pool:
        done = list(pool.map(run, rows))
    return Results(outputs=[each for each, _ in done], latency_ms=[each for _, each in done])


class TorchRunner:
    """A PyTorch model behind the same inputs and outputs as an artifact.

    Args:
        model: Takes what Transformers' encoders take.
        output_names: What it gives.
        is_compiled: Whether ``torch.compile`` gets hold of it, when it first runs.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        *,
        output_names: tuple[str, ...],
        is_compiled: bool = False,
    ) -> None:
        import torch

        from pipeline.student.trace import ExportableEncoder

        encoder = ExportableEncoder(model, output_names=output_names).eval()
        self._encoder = torch.compile(encoder) if is_compiled else encoder

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Returns the outputs by name, each ``(1, seq_len) float32``."""
        import torch

        tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
        with torch.inference_mode():
            return {name: value.numpy() for name, value in self._encoder(**tensors).items()}


class WarmRunner:
    """A runner that is warm at each length before a row of it is timed."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._lengths: set[int] = set()

    def run(self, rows: Sequence[Arrays]) -> Results:
        """Runs rows, and reports each."""
        outputs, latency_ms = [], []
        for done, row in enumerate(rows, 1):
            seq_len = next(iter(row.values())).shape[1]
            if seq_len not in self._lengths:
                # The first call at a length pays for plans and caches.
                self._runner.run(row)
                self._lengths.add(seq_len)
            begin = time.perf_counter()
            outputs.append(self._runner.run(row))
            latency_ms.append((time.perf_counter() - begin) * 1e3)
            report(done)
        return Results(outputs=outputs, latency_ms=latency_ms)
