"""What artifacts are asked at each length, and how their answers are put together again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from converters.values.artifact import Arrays
from pipeline.comparison.cases import Case, reference_cases
from pipeline.comparison.hard_rows import hard_examples, refill_padding, takes_one_row
from pipeline.comparison.kept_runs import StudentRuns
from pipeline.comparison.verdict import HardRows
from pipeline.student.load import Student
from pipeline.tasks.task import Example, Outputs


@dataclass(frozen=True, kw_only=True)
class Exam:
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
        rows = [row.inputs for case in (*self.cases, *self.hard) for row in case.encoded.rows]
        return rows + [row for row in self.refilled if row is not None]

    def take(self, outputs: Iterator[Outputs]) -> "Answered":
        """Takes the outputs of its rows."""
        cases, hard = (
            [[next(outputs) for _ in case.encoded.rows] for case in cases]
            for cases in (self.cases, self.hard)
        )
        refilled = [None if row is None else [next(outputs)] for row in self.refilled]
        return Answered(cases=cases, hard=hard, refilled=refilled)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An artifact's outputs of an exam, for each example, for each of its rows."""

    cases: Sequence[Sequence[Outputs]]
    hard: Sequence[Sequence[Outputs]]
    refilled: Sequence[Sequence[Outputs] | None]


def make_exams(
    student: Student,
    examples: Sequence[Example],
    seq_lens: Sequence[int],
    *,
    num_below_longest: int | None,
    runs: StudentRuns,
) -> dict[int, Exam]:
    """Returns an exam for each length.

    Args:
        student: The reference, in fp32.
        examples: All are asked at the longest length.
        seq_lens: Ascending.
        num_below_longest: About how many are asked at the shorter lengths; None means all.
        runs: Of the student.
    """
    hard = hard_examples(student, max_seq_len=seq_lens[-1])
    step = len(examples) // num_below_longest if num_below_longest else 1
    some = examples[:: max(1, step)]
    exams = {seq_len: _exam(student, some, hard, seq_len, runs) for seq_len in seq_lens[:-1]}
    exams[seq_lens[-1]] = _exam(student, examples, hard, seq_lens[-1], runs)
    return exams


def _exam(
    student: Student,
    examples: Sequence[Example],
    hard: Sequence[Example],
    seq_len: int,
    runs: StudentRuns,
) -> Exam:
    """Returns all examples at a length, and the hard ones that take one row of it."""
    encoded = student.encode(hard, seq_lens=(seq_len,))
    fitting = [each for each, item in zip(hard, encoded, strict=True) if takes_one_row(item)]
    hard_cases = reference_cases(student, fitting, (seq_len,), runs)
    size = student.tokenizer.get_vocab_size()
    return Exam(
        seq_len=seq_len,
        cases=reference_cases(student, examples, (seq_len,), runs),
        hard=hard_cases,
        refilled=[
            refill_padding(case.encoded.rows[0].inputs, vocabulary_size=size) for case in hard_cases
        ],
    )


def gather_hard_rows(
    seq_len: int,
    exams: Mapping[int, Exam],
    answered: Mapping[int, Answered],
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
