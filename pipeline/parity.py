"""The parity check: every artifact, in every runtime, against the PyTorch student."""

from collections.abc import Sequence

from pipeline import runtimes
from pipeline.compare import Case, Parity, compare, failed_parity, thresholds_of
from pipeline.load import Student
from pipeline.runtimes import Skipped
from pipeline.squad import Question
from pipeline.stages import Stages
from pipeline.values import Arrays, Artifact
from pipeline.workers import Outcome, run_jobs


def check(
    student: Student,
    artifacts: Sequence[Artifact],
    *,
    examples: Sequence[Question],
    names: Sequence[str] = (),
    num_threads: int,
    stages: Stages,
) -> tuple[list[Parity], list[Skipped]]:
    """Compares artifacts with their student on real questions, at each of their lengths.

    A runtime that fails or crashes makes its artifact fail; it does not stop the others.

    Args:
        student: The reference, in fp32.
        artifacts: What to check.
        examples: The questions.
        names: Runtimes to use; none means all that run here.
        num_threads: For every runtime.
        stages: Told how the work goes.
    """
    pairs, skipped = runtimes.choose(names, artifacts)
    lengths = sorted({seq_len for artifact, _ in pairs for seq_len in artifact.seq_lens})
    with stages.stage("run pytorch"):
        cases = {seq_len: reference_cases(student, examples, (seq_len,)) for seq_len in lengths}
    jobs = [
        runtimes.job(
            artifact,
            runtime,
            [row for seq_len in artifact.seq_lens for row in _rows(cases[seq_len])],
            num_threads=num_threads,
        )
        for artifact, runtime in pairs
    ]
    # One at a time: each takes all the threads that it is given.
    with stages.count(max((len(job.arguments["rows"]) for job in jobs), default=0)) as counter:
        outcomes = run_jobs(jobs, max_parallel=1, on_progress=counter.update, on_done=stages.done)
    reports = [
        parity
        for (artifact, runtime), outcome in zip(pairs, outcomes, strict=True)
        for parity in _judge(student, artifact, runtime, cases, outcome)
    ]
    return reports, skipped


def reference_cases(
    student: Student, examples: Sequence[Question], seq_lens: tuple[int, ...]
) -> list[Case]:
    """Returns what the student makes of each example, every row at the least length that fits."""
    encoded = student.encode(examples, seq_lens=seq_lens)
    rows = [window.inputs for item in encoded for window in item.windows]
    outputs = iter(runtimes.run_student(student, rows).outputs)
    cases = []
    for example, item in zip(examples, encoded, strict=True):
        own = [next(outputs) for _ in item.windows]
        answer = student.task.decode(item, own)
        cases.append(Case(example=example, encoded=item, outputs=own, answer=answer))
    return cases


def _rows(cases: Sequence[Case]) -> list[Arrays]:
    return [window.inputs for case in cases for window in case.encoded.windows]


def _judge(
    student: Student,
    artifact: Artifact,
    runtime: str,
    cases: dict[int, list[Case]],
    outcome: Outcome,
) -> list[Parity]:
    if outcome.error is not None:
        return [
            failed_parity(artifact, runtime, seq_len=seq_len, reason=outcome.error.message)
            for seq_len in artifact.seq_lens
        ]
    outputs = iter(outcome.value.outputs)
    return [
        compare(
            artifact,
            runtime,
            cases=cases[seq_len],
            outputs=[[next(outputs) for _ in case.encoded.windows] for case in cases[seq_len]],
            task=student.task,
            thresholds=thresholds_of(artifact),
            seq_len=seq_len,
        )
        for seq_len in artifact.seq_lens
    ]
