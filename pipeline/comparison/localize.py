"""Finds the block of an artifact at which its numbers leave those of the student.

Errors add up over depth, so how far an output is from the student's says little of its block. Each
block is judged alone: the student's block runs on what the artifact made of the block before, and
must come to what the artifact made of it. The student then has the rounded weights of the file, as
far as each is an honest rounding of its own: what rounding costs is no fault. A weight that is not
stays as the student has it, so that its block stands out.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters import backends
from converters.values.artifact import Arrays, Artifact
from converters.values.precision import Precision
from converters.weights.quantized import StoredMatrix
from pipeline.comparison import runtimes
from pipeline.comparison.own_weights import with_file_integers
from pipeline.comparison.verdict import Verdict
from pipeline.conversion.matching import find_integers
from pipeline.conversion.metrics import snr_db
from pipeline.files.canonical import json_value
from pipeline.files.checksums import checked
from pipeline.running.jobs import Job, Outcome
from pipeline.running.run import Run
from pipeline.student.blocks import HEAD, Blocks, head_of, norm_blocks, run_blocks
from pipeline.student.load import Student
from pipeline.tasks.task import Example

NUM_ROWS = 6
"""One for each of so many questions. A block that is wrong is so at most of their tokens."""

TOLERANCES_DB: dict[Precision, float] = {
    # Only the order of additions differs: good files have 126 dB and more.
    "fp32": 90,
    # Ten bits of mantissa: 60 dB and more.
    "fp16": 45,
    # The reference rounds as the file does. What is left are Core ML's halves, 61 dB and more, and
    # elsewhere activations between two integers that fall to the other side, 79 dB and more.
    "int8": 45,
    "int4": 45,
    "auto": 45,
}
"""Least local signal-to-noise ratio of a block. The mildest faults that were tried are a GELU by a
sigmoid, which leaves 33 to 40 dB, and a layer without its biases, 26 dB at most."""

STATIC_TOLERANCE_DB = 20
"""The reference does not know the ranges that a file with static activations rounds by: good ones
have 25 dB and more, and the mildest faults go unseen."""


@dataclass(frozen=True, kw_only=True)
class BlockError:
    """How far a block's output is from the student's, over all real tokens.

    Attributes:
        snr_db: Against the student's own output in fp32, with the errors of all blocks before.
        local_snr_db: Against what the student's block makes of the artifact's block before.
    """

    name: str
    snr_db: float
    local_snr_db: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Localization:
    """One artifact in one runtime, block by block.

    Attributes:
        first_block: The first that leaves the tolerance.
        tolerance_db: The least ``local_snr_db`` that a block may have.
        reason: Why there are no blocks, where the artifact could not be looked into.
    """

    backend: str
    runtime: str
    precision: Precision
    seq_len: int
    first_block: str | None
    tolerance_db: float
    blocks: tuple[BlockError, ...]
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether every block was seen, and is within the tolerance."""
        return self.first_block is None and not self.reason

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values; numbers that are not finite become null."""
        return {key: json_value(value) for key, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a tapped artifact gave for each row, and the matrices that its file holds."""

    outputs: list[dict[str, np.ndarray]]
    matrices: list[StoredMatrix]


def localize(
    student: Student,
    artifacts: Sequence[Artifact],
    *,
    examples: Sequence[Example],
    names: Sequence[str] = (),
    run: Run,
) -> list[Localization]:
    """Looks into artifacts block by block, each at its longest length.

    Args:
        student: The reference, in fp32.
        artifacts: What to look into.
        examples: Questions; a few of them, spread evenly, are used.
        names: Runtimes to use; empty for all that run here.
        run: Its threads, cache and progress.

    Raises:
        InputError: The student's blocks cannot be told apart.
    """
    norm_blocks(student)
    pairs, _ = runtimes.choose(names, artifacts)
    rows = {
        seq_len: _rows(student, examples, seq_len)
        for seq_len in {artifact.seq_lens[-1] for artifact, _ in pairs}
    }
    jobs = [
        Job(
            name=f"localize {runtime}",
            function=run_tapped,
            arguments={
                "artifact": artifact,
                "runtime": runtime,
                "rows": rows[artifact.seq_lens[-1]],
                "num_threads": run.num_threads,
            },
            max_silent_seconds=runtimes.MAX_SECONDS_PER_ROW,
        )
        for artifact, runtime in pairs
    ]
    outcomes = run.run_jobs(jobs)
    return [
        _judge(student, artifact, runtime, rows[artifact.seq_lens[-1]], outcome)
        for (artifact, runtime), outcome in zip(pairs, outcomes, strict=True)
    ]


def run_tapped(
    *, artifact: Artifact, runtime: str, rows: Sequence[Arrays], num_threads: int
) -> Seen:
    """Runs rows through a tapped copy of an artifact; the body of a worker."""
    module = backends.backend(artifact.backend)
    artifact = checked(artifact)
    stored = module.read_matrices(artifact.path)
    with tempfile.TemporaryDirectory() as folder:
        tapped = module.tap(artifact, path=Path(folder, module.FILE_NAME))
        results = runtimes.run_artifact(
            artifact=tapped, runtime=runtime, rows=rows, num_threads=num_threads
        )
    # Functions share their weights, or hold equal ones.
    return Seen(outputs=results.outputs, matrices=next(iter(stored.values())))


def _rows(student: Student, examples: Sequence[Example], seq_len: int) -> list[Arrays]:
    step = max(1, len(examples) // NUM_ROWS)
    encoded = student.encode(examples[::step][:NUM_ROWS], seq_lens=(seq_len,))
    return [each.rows[0].inputs for each in encoded]


def _judge(
    student: Student,
    artifact: Artifact,
    runtime: str,
    rows: Sequence[Arrays],
    outcome: Outcome[Seen],
) -> Localization:
    blocks: tuple[BlockError, ...] = ()
    reason = ""
    tolerance_db = tolerance_of(artifact)
    if outcome.error is not None:
        reason = outcome.error.message
    else:
        names = list(norm_blocks(student))
        num_norms = len(outcome.get().outputs[0]) - len(student.task.outputs)
        if num_norms != len(names):
            reason = f"the file has {num_norms} layer norms, expected {len(names)}"
        else:
            blocks = _errors(student, artifact, rows, outcome.get(), tolerance_db)
    return Localization(
        backend=artifact.backend,
        runtime=runtime,
        precision=artifact.precision,
        seq_len=artifact.seq_lens[-1],
        first_block=next((each.name for each in blocks if each.verdict == "fail"), None),
        tolerance_db=tolerance_db,
        blocks=blocks,
        reason=reason,
    )


def tolerance_of(artifact: Artifact) -> float:
    """Returns the least local signal-to-noise ratio of an artifact's blocks, in decibels."""
    if artifact.activations == "static":
        return STATIC_TOLERANCE_DB
    return TOLERANCES_DB[artifact.precision]


def _errors(
    student: Student, artifact: Artifact, rows: Sequence[Arrays], seen: Seen, tolerance_db: float
) -> tuple[BlockError, ...]:
    actual = [
        _blocks(student, outputs, row["input_ids"].shape[1])
        for outputs, row in zip(seen.outputs, rows, strict=True)
    ]
    own = [run_blocks(student, row) for row in rows]
    integers = find_integers(
        seen.matrices, student.matrices(), is_static=artifact.activations == "static"
    )
    rounded = with_file_integers(student, artifact, integers)
    local = [run_blocks(rounded, row, given=given) for row, given in zip(rows, actual, strict=True)]
    errors = []
    for name in own[0]:
        made = _real_tokens(actual, rows, name)
        local_snr_db = _snr_db(made, _real_tokens(local, rows, name))
        errors.append(
            BlockError(
                name=name,
                snr_db=_snr_db(made, _real_tokens(own, rows, name)),
                local_snr_db=local_snr_db,
                verdict="pass" if local_snr_db >= tolerance_db else "fail",
            )
        )
    return tuple(errors)


def _blocks(student: Student, outputs: Mapping[str, np.ndarray], seq_len: int) -> Blocks:
    """Returns a row's outputs of a tapped artifact by the names of the blocks."""
    head = head_of(outputs, student.task.outputs)
    taps = {
        name: _rows_of(np.asarray(outputs[f"norm_{number}"], np.float32), seq_len)
        for number, name in enumerate(norm_blocks(student))
    }
    return {**taps, HEAD: head}


def _rows_of(tap: np.ndarray, num_tokens: int) -> np.ndarray:
    """Returns a norm's result as ``(seq_len, width)``; one of four dimensions is channels first."""
    return tap[0, :, 0].T if tap.ndim == 4 else tap.reshape(num_tokens, -1)


def _real_tokens(blocks: Sequence[Blocks], rows: Sequence[Arrays], name: str) -> np.ndarray:
    """Returns a block's output at the real tokens of all rows, ``(num_tokens, width) float64``.

    What a head made of whole rows is all real, a line for each.
    """
    return np.concatenate(
        [
            values.astype(np.float64)
            if len(values) == 1
            else values[row["attention_mask"][0] == 1].astype(np.float64)
            for values, row in zip((each[name] for each in blocks), rows, strict=True)
        ]
    )


def _snr_db(actual: np.ndarray, reference: np.ndarray) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        return snr_db(actual=actual, reference=reference)
