"""The parity check: every artifact, in every runtime, against the PyTorch student."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from converters import backends
from converters.values.artifact import Arrays, Artifact
from converters.weights.quantized import QuantizedWeight
from pipeline.comparison import runtimes
from pipeline.comparison.cases import Case, Outputs, reference_cases
from pipeline.comparison.hard_rows import hard_examples, refill_padding
from pipeline.comparison.kept_runs import StudentRuns, kept_run
from pipeline.comparison.own_weights import with_file_integers
from pipeline.comparison.runtimes import Results, Skipped
from pipeline.comparison.thresholds import thresholds_of
from pipeline.comparison.verdict import HardRows, Parity, failed_parity, judge
from pipeline.conversion import audit
from pipeline.conversion.matching import find_integers
from pipeline.conversion.recipe import Recipe
from pipeline.files.checksums import checked
from pipeline.running.cache import StageCache
from pipeline.running.jobs import MAX_SECONDS_PER_FILE, Job, Outcome, run_jobs
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.question_answering.squad import Question


@dataclass(frozen=True, kw_only=True)
class _Exam:
    """What artifacts are asked at one length, and what the student made of it.

    Attributes:
        cases: Real text.
        hard: Text that is built to be hard, a row each.
        refilled: The rows of ``hard`` with other tokens behind their masks, where there is room.
    """

    seq_len: int
    cases: Sequence[Case]
    hard: Sequence[Case]
    refilled: Sequence[Arrays | None]

    @property
    def rows(self) -> list[Arrays]:
        """All of it, in the order in which ``take`` wants the outputs."""
        rows = [
            window.inputs for case in (*self.cases, *self.hard) for window in case.encoded.windows
        ]
        return rows + [row for row in self.refilled if row is not None]

    def take(self, outputs: Iterator[Outputs]) -> "_Answered":
        """Takes the outputs of its rows."""
        cases, hard = (
            [[next(outputs) for _ in case.encoded.windows] for case in cases]
            for cases in (self.cases, self.hard)
        )
        refilled = [None if row is None else [next(outputs)] for row in self.refilled]
        return _Answered(cases=cases, hard=hard, refilled=refilled)


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
class _Answered:
    """An artifact's outputs of an exam, for each example, for each of its rows."""

    cases: Sequence[Sequence[Outputs]]
    hard: Sequence[Sequence[Outputs]]
    refilled: Sequence[Sequence[Outputs] | None]


def check(
    student: Student,
    artifacts: Sequence[Artifact],
    *,
    examples: Sequence[Question],
    recipe: Recipe,
    names: Sequence[str] = (),
    num_below_longest: int | None = None,
    run: Run,
) -> tuple[list[Parity], list[Skipped]]:
    """Compares artifacts with their student on real questions and hard rows, at each length.

    A runtime that fails or crashes makes its artifact fail; it does not stop the others.

    Args:
        student: The reference, in fp32.
        artifacts: What to check.
        examples: The questions.
        recipe: What the weights of the artifacts are stored as.
        names: Runtimes to use; none means all that run here.
        num_below_longest: About how many examples are asked at the shorter lengths; nothing means
            all.
        run: Its threads, cache and progress.
    """
    pairs, skipped = runtimes.choose(names, artifacts)
    lengths = sorted({seq_len for artifact, _ in pairs for seq_len in artifact.seq_lens})
    if not pairs:
        return [], skipped
    with run.stage("run pytorch") as stage:
        runs = StudentRuns(student, run.cache)
        hard = hard_examples(student, max_seq_len=lengths[-1])
        step = len(examples) // num_below_longest if num_below_longest else 1
        some = examples[:: max(1, step)]
        exams = {seq_len: _exam(student, some, hard, seq_len, runs) for seq_len in lengths[:-1]}
        exams[lengths[-1]] = _exam(student, examples, hard, lengths[-1], runs)
        stage.is_reused = runs.is_reused
    by_backend = {artifact.backend: artifact for artifact, _ in pairs}
    with run.stage("audit"):
        audits = _audit(by_backend, recipe, student.matrices())
        own_weights = {
            backend: _with_own_weights(student, artifact, audits[backend], exams, run.cache)
            for backend, artifact in by_backend.items()
        }
    jobs = [
        runtimes.job(
            artifact,
            runtime,
            [row for seq_len in artifact.seq_lens for row in exams[seq_len].rows],
            num_threads=run.num_threads_each,
        )
        for artifact, runtime in pairs
    ]
    # The evaluator of Core ML, which is last, takes longest: it starts first.
    outcomes = run.run_jobs(jobs[::-1], kept=kept_run, max_parallel=run.num_parallel)[::-1]
    reports = [
        parity
        for (artifact, runtime), outcome in zip(pairs, outcomes, strict=True)
        for parity in _judge(
            student,
            artifact,
            runtime,
            exams,
            outcome,
            audits[artifact.backend],
            own_weights[artifact.backend],
        )
    ]
    return reports, skipped


def _exam(
    student: Student,
    examples: Sequence[Question],
    hard: Sequence[Question],
    seq_len: int,
    runs: StudentRuns,
) -> _Exam:
    """Returns all examples at a length, and the hard ones that take one row of it."""
    encoded = student.encode(hard, seq_lens=(seq_len,))
    fitting = [each for each, item in zip(hard, encoded, strict=True) if len(item.windows) == 1]
    hard_cases = reference_cases(student, fitting, (seq_len,), runs)
    size = student.tokenizer.get_vocab_size()
    return _Exam(
        seq_len=seq_len,
        cases=reference_cases(student, examples, (seq_len,), runs),
        hard=hard_cases,
        refilled=[
            refill_padding(case.encoded.windows[0].inputs, vocabulary_size=size)
            for case in hard_cases
        ],
    )


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
    exams: Mapping[int, _Exam],
    cache: StageCache | None,
) -> dict[int, list[list[Outputs]]]:
    """Returns what the student makes of hard rows with the integers of a file, by length."""
    if audited.problems or not audited.integers:
        return {}
    rounded = with_file_integers(student, artifact, audited.integers)
    runs = StudentRuns(rounded, cache, computes_as=artifact)
    found: dict[int, list[list[Outputs]]] = {}
    for seq_len in artifact.seq_lens:
        rows = [case.encoded.windows[0].inputs for case in exams[seq_len].hard]
        found[seq_len] = [[each] for each in runs.run(rows).outputs]
    return found


def _judge(
    student: Student,
    artifact: Artifact,
    runtime: str,
    exams: dict[int, _Exam],
    outcome: Outcome[Results],
    audited: Audit,
    own_weights: Mapping[int, Sequence[Sequence[Outputs]]],
) -> list[Parity]:
    if outcome.error is not None:
        reason = outcome.error.message
    else:
        rows = [row for seq_len in artifact.seq_lens for row in exams[seq_len].rows]
        reason = _misshapen(rows, outcome.get().outputs, student.task.OUTPUT_NAMES)
    if reason:
        return [
            failed_parity(artifact, runtime, seq_len=seq_len, reason=reason)
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
            hard=_hard_rows(seq_len, exams, answered, own_weights.get(seq_len))
            if exams[seq_len].hard
            else None,
            weight_problems=audited.problems,
            task=student.task,
            thresholds=thresholds_of(artifact),
            seq_len=seq_len,
        )
        for seq_len in artifact.seq_lens
    ]


def _misshapen(rows: Sequence[Arrays], outputs: Sequence[Outputs], names: Sequence[str]) -> str:
    """Returns in words which output is not there, or has no logit for each token."""
    for row, own in zip(rows, outputs, strict=True):
        shape = row["input_ids"].shape
        for name in names:
            if name not in own:
                return f"it gives no {name}"
            if own[name].shape != shape:
                return f"it gives {name} of shape {own[name].shape}, expected {shape}"
    return ""


def _hard_rows(
    seq_len: int,
    exams: dict[int, _Exam],
    answered: dict[int, _Answered],
    own_weights: Sequence[Sequence[Outputs]] | None,
) -> HardRows:
    """Gathers what the same tokens gave at a length, behind other padding and at other lengths."""
    own = answered[seq_len]
    by_id = {
        other: {
            case.example.id: rows for case, rows in zip(exams[other].hard, each.hard, strict=True)
        }
        for other, each in answered.items()
        if other != seq_len
    }
    padded = [
        [
            *([] if refilled is None else [refilled]),
            *(rows[case.example.id] for rows in by_id.values() if case.example.id in rows),
        ]
        for case, refilled in zip(exams[seq_len].hard, own.refilled, strict=True)
    ]
    return HardRows(
        cases=exams[seq_len].hard, outputs=own.hard, padded=padded, own_weights=own_weights
    )
