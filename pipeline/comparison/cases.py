"""Examples as the PyTorch student sees them: what every artifact is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.comparison.kept_runs import StudentRuns
from pipeline.student.load import Student
from pipeline.tasks.question_answering import Answer, Encoded
from pipeline.tasks.question_answering.squad import Question

Outputs = Mapping[str, np.ndarray]
"""Of one row, by name."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One example as the student saw it: its rows, its logits and its answer."""

    example: Question
    encoded: Encoded
    outputs: Sequence[Outputs]
    answer: Answer


def reference_cases(
    student: Student,
    examples: Sequence[Question],
    seq_lens: tuple[int, ...],
    runs: StudentRuns | None = None,
) -> list[Case]:
    """Returns what the student makes of each example, every row at the least length that fits.

    Where ``runs`` are given, they may know it already.
    """
    encoded = student.encode(examples, seq_lens=seq_lens)
    rows = [window.inputs for item in encoded for window in item.windows]
    outputs = iter((runs or StudentRuns(student, None)).run(rows).outputs)
    cases = []
    for example, item in zip(examples, encoded, strict=True):
        own = [next(outputs) for _ in item.windows]
        answer = student.task.decode(item, own)
        cases.append(Case(example=example, encoded=item, outputs=own, answer=answer))
    return cases
