"""The parity check: every artifact, in every runtime, against the PyTorch student."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from converters import backends
from converters.values.artifact import Arrays, Artifact
from converters.weights.quantized import QuantizedWeight
from pipeline.comparison import runtimes
from pipeline.comparison.exam import Exam, gather_hard_rows, make_exams
from pipeline.comparison.kept_runs import StudentRuns, kept_run
from pipeline.comparison.own_weights import with_file_integers
from pipeline.comparison.runtimes import Results, Skipped
from pipeline.comparison.thresholds import thresholds_of
from pipeline.comparison.verdict import Parity, failed_parity, judge
from pipeline.conversion import audit
from pipeline.conversion.matching import find_integers
from pipeline.conversion.recipe import Recipe
from pipeline.files.checksums import checked
from pipeline.running.cache import StageCache
from pipeline.running.jobs import MAX_SECONDS_PER_FILE, Job, Outcome, run_jobs
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.task import Example, Outputs, OutputSpec


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found in a file.

    Attributes:
        problems: In words, what is wrong with its weights.
        integers: The weights that it holds as integers, by the student's names.
    """

    problems: Sequence[str]
    integers: Mapping[str, QuantizedWeight]


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """An artifact, and what is in its file.

    Attributes:
        own_weights: What the student makes of hard rows with the integers of the file, by length;
            empty where it cannot repeat what the file computes.
    """

    artifact: Artifact
    audited: Audit
    own_weights: Mapping[int, Sequence[Sequence[Outputs]]]


def check(
    student: Student,
    artifacts: Sequence[Artifact],
    *,
    examples: Sequence[Example],
    recipe: Recipe,
    names: Sequence[str] = (),
    num_below_longest: int | None = None,
    run: Run,
) -> tuple[list[Parity], list[Skipped]]:
    """Compares artifacts with their student on real examples and hard rows, at each length.

    A runtime that fails or crashes makes its artifact fail; it does not stop the others.

    Args:
        student: The reference, in fp32.
        artifacts: What to check.
        examples: Of the student's task.
        recipe: What the weights of the artifacts are stored as.
        names: Runtimes to use; empty for all that run here.
        num_below_longest: About how many examples are asked at the shorter lengths; None means all.
        run: Its threads, cache and progress.
    """
    pairs, skipped = runtimes.choose(names, artifacts)
    lengths = sorted({seq_len for artifact, _ in pairs for seq_len in artifact.seq_lens})
    if not pairs:
        return [], skipped
    with run.stage("run pytorch") as stage:
        runs = StudentRuns(student, run.cache)
        exams = make_exams(
            student, examples, lengths, num_below_longest=num_below_longest, runs=runs
        )
        stage.is_reused = runs.is_reused
    with run.stage("audit"):
        by_backend = {artifact.backend: artifact for artifact, _ in pairs}
        subjects = _subjects(student, by_backend, recipe, exams, run)
    jobs = [
        runtimes.job(artifact, name, _rows(artifact, exams), num_threads=run.num_threads_each)
        for artifact, name in pairs
    ]
    # The evaluator of Core ML, which is last, takes longest: it starts first.
    outcomes = run.run_jobs(jobs[::-1], kept=kept_run, max_parallel=run.num_parallel)[::-1]
    return [
        verdict
        for (artifact, runtime), outcome in zip(pairs, outcomes, strict=True)
        for verdict in _judge(student, subjects[artifact.backend], runtime, exams, outcome)
    ], skipped


def _rows(artifact: Artifact, exams: Mapping[int, Exam]) -> list[Arrays]:
    """Returns what an artifact is asked: the rows of each of its lengths, one after the other."""
    return [row for seq_len in artifact.seq_lens for row in exams[seq_len].rows]


def _subjects(
    student: Student,
    by_backend: Mapping[str, Artifact],
    recipe: Recipe,
    exams: Mapping[int, Exam],
    run: Run,
) -> dict[str, _Subject]:
    """Returns each artifact with what is in its file, by backend."""
    audits = _audit(by_backend, recipe, student.matrices())
    return {
        backend: _Subject(
            artifact=artifact,
            audited=audits[backend],
            own_weights=_with_own_weights(student, artifact, audits[backend], exams, run.cache),
        )
        for backend, artifact in by_backend.items()
    }


def _audit(
    by_backend: Mapping[str, Artifact], recipe: Recipe, matrices: Mapping[str, np.ndarray]
) -> dict[str, Audit]:
    """Returns what is in each artifact, by backend."""
    with tempfile.TemporaryDirectory(prefix="pocketbert-") as folder:
        originals = Path(folder, "originals.safetensors")
        save_file(dict(matrices), originals)
        jobs = [
            Job(
                name=f"audit {backend}",
                function=audit_artifact,
                arguments={"artifact": artifact, "originals": originals, "recipe": recipe},
                max_silent_seconds=MAX_SECONDS_PER_FILE,
            )
            for backend, artifact in by_backend.items()
        ]
        outcomes = run_jobs(jobs, max_parallel=2)
    return {
        backend: outcome.get()
        if outcome.error is None
        else Audit(problems=[outcome.error.message], integers={})
        for backend, outcome in zip(by_backend, outcomes, strict=True)
    }


def audit_artifact(*, artifact: Artifact, originals: Path, recipe: Recipe) -> Audit:
    """Compares the weights that a file holds with the student's; the body of a worker."""
    stored = backends.backend(artifact.backend).read_matrices(checked(artifact).path)
    given = load_file(originals)
    problems = audit.find_strangers(stored, recipe=recipe, originals=given)
    # With fixed activations the student cannot repeat what the file computes.
    some = [] if recipe.activations == "static" else next(iter(stored.values()), [])
    return Audit(problems=problems, integers=find_integers(some, given, is_static=False))


def _with_own_weights(
    student: Student,
    artifact: Artifact,
    audited: Audit,
    exams: Mapping[int, Exam],
    cache: StageCache | None,
) -> dict[int, list[list[Outputs]]]:
    """Returns what the student makes of hard rows with the integers of a file, by length."""
    if audited.problems or not audited.integers:
        return {}
    rounded = with_file_integers(student, artifact, audited.integers)
    runs = StudentRuns(rounded, cache, computes_as=artifact)
    found: dict[int, list[list[Outputs]]] = {}
    for seq_len in artifact.seq_lens:
        rows = [case.encoded.rows[0].inputs for case in exams[seq_len].hard]
        found[seq_len] = [[each] for each in runs.run(rows).outputs]
    return found


def _judge(
    student: Student,
    subject: _Subject,
    runtime: str,
    exams: Mapping[int, Exam],
    outcome: Outcome[Results],
) -> list[Parity]:
    """Returns the verdict on an artifact in a runtime, for each of its lengths."""
    artifact = subject.artifact
    if outcome.error is not None:
        reason = outcome.error.message
    else:
        given = outcome.get().outputs
        reason = _misshapen(_rows(artifact, exams), given, student.task.outputs)
    if reason:
        return [
            failed_parity(artifact, runtime, task=student.task, seq_len=seq_len, reason=reason)
            for seq_len in artifact.seq_lens
        ]
    outputs = iter(outcome.get().outputs)
    answered = {seq_len: exams[seq_len].take(outputs) for seq_len in artifact.seq_lens}
    return [
        judge(
            artifact,
            runtime,
            cases=exams[seq_len].cases,
            outputs=answered[seq_len].cases,
            hard=gather_hard_rows(seq_len, exams, answered, subject.own_weights.get(seq_len))
            if exams[seq_len].hard
            else None,
            weight_problems=subject.audited.problems,
            task=student.task,
            thresholds=thresholds_of(artifact),
            seq_len=seq_len,
        )
        for seq_len in artifact.seq_lens
    ]


def _misshapen(
    rows: Sequence[Arrays], outputs: Sequence[Outputs], specs: Sequence[OutputSpec]
) -> str:
    """Returns in words which output is not there, or is not of its shape."""
    for row, own in zip(rows, outputs, strict=True):
        for spec in specs:
            shape = spec.shape(row["input_ids"].shape[1])
            if spec.name not in own:
                return f"it gives no {spec.name}"
            if own[spec.name].shape != shape:
                return f"it gives {spec.name} of shape {own[spec.name].shape}, expected {shape}"
    return ""
