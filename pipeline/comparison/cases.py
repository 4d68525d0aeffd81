"""Examples as the PyTorch student sees them: what every artifact is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.comparison.kept_runs import StudentRuns
from pipeline.student.load import Student
from pipeline.tasks.task import Encoded, Example, Outputs


@dataclass(frozen=True, kw_only=True)
class Case:
    """One example as the student saw it: its rows, its outputs and its answer."""

    example: Example
    encoded: Encoded
    outputs: Sequence[Outputs]
    answer: Any


def reference_cases(
    student: Student,
    examples: Sequence[Example],
    seq_lens: tuple[int, ...],
    runs: StudentRuns | None = None,
) -> list[Case]:
    """Returns what the student makes of each example, every row at the least length that fits.

    Where ``runs`` are given, they may know it already.
    """
    encoded = student.encode(examples, seq_lens=seq_lens)
    rows = [row.inputs for item in encoded for row in item.rows]
    outputs = iter((runs or StudentRuns(student, None)).run(rows).outputs)
    cases = []
    for example, item in zip(examples, encoded, strict=True):
        own = [next(outputs) for _ in item.rows]
        answer = student.task.decode(item, own)
        cases.append(Case(example=example, encoded=item, outputs=own, answer=answer))
    return cases
