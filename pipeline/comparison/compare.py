"""Compares what an artifact computes with what the PyTorch student computes.

At three levels: the logits, the answers, and the score on labelled questions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.comparison.cases import Case, Outputs
from pipeline.conversion import metrics
from pipeline.tasks import Task
from pipeline.tasks.question_answering import Answer

Outcome = Literal["same", "near tie", "changed"]

NEAR_TIE_DEVIATIONS = 2.0
"""Standard deviations of noise that a margin must exceed for another answer to be an error."""

ERROR_BINS = np.logspace(-7, 2, 37)
"""Edges of the bins that differences of logits are counted in, four a decade."""


@dataclass(frozen=True, kw_only=True)
class LogitMetrics:
    """How far logits are from the student's: of all outputs, the worst.

    Attributes:
        relative_error: Of all logits of an output, taken as one vector.
        kl_divergence: Mean over rows of that between the distributions over tokens, in nats.
    """

    max_abs_diff: float
    mean_abs_diff: float
    relative_error: float
    cosine: float
    snr_db: float
    kl_divergence: float


NO_METRICS = LogitMetrics(
    max_abs_diff=math.nan, mean_abs_diff=math.nan, relative_error=math.nan,
    cosine=math.nan, snr_db=math.nan, kl_divergence=math.nan,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ComparedInput:
    """What became of one example in an artifact.

    Attributes:
        outcome: Whether the answer is the student's own span, one that ties with it, or another.
        margin: By how many logits the student itself prefers its own span; infinite where the other
            is none that it could give.
        max_abs_diff: Over the logits of its real tokens.
        answer_f1: Token F1 between the two answers, 0 to 1.
        exact_match: On the labels, 0 or 1; as ``f1`` and ``f1_drop`` zero where there are none.
        f1_drop: F1 on the labels below that of the student, -1 to 1.
    """

    id: str
    question: str
    context: str
    reference: Answer
    answer: Answer
    outcome: Outcome
    margin: float
    max_abs_diff: float
    answer_f1: float
    is_labelled: bool
    exact_match: float
    f1: float
    f1_drop: float


def compare_logits(
    cases: Sequence[Case], outputs: Sequence[Sequence[Outputs]], names: Sequence[str]
) -> LogitMetrics:
    """Measures logits at the real tokens of all rows; nothing is a number where not all are finite.

    Args:
        cases: What the PyTorch student made of each example.
        outputs: For each example, for each of its rows, the artifact's outputs by name.
        names: Of the outputs.
    """
    if not is_finite(outputs, names):
        return NO_METRICS
    with np.errstate(invalid="ignore", over="ignore"):
        measured = [_measure(cases, outputs, name) for name in names]
    # NumPy's extremes keep what is not a number, where Python's own may lose it.
    worst = {key: np.max([getattr(each, key) for each in measured]) for key in vars(NO_METRICS)}
    for key in ("cosine", "snr_db"):
        worst[key] = np.min([getattr(each, key) for each in measured])
    return LogitMetrics(**{key: float(value) for key, value in worst.items()})


def is_finite(outputs: Sequence[Sequence[Outputs]], names: Sequence[str]) -> bool:
    """Tells whether every value of every output is a finite number, padding included."""
    return all(bool(np.isfinite(row[name]).all()) for rows in outputs for row in rows
               for name in names)  # fmt: skip


def logit_noise(
    cases: Sequence[Case],
    outputs: Sequence[Sequence[Outputs]],
    names: Sequence[str],
    *,
    least_snr_db: float,
) -> float:
    """Returns the standard deviation of an artifact's logits from the student's, in logits.

    It is the median over examples, so that one row gone wrong does not excuse itself, and at most
    what the precision may have.

    Args:
        cases: What the PyTorch student made of each example.
        outputs: For each example, for each of its rows, the artifact's outputs by name.
        names: Of the outputs.
        least_snr_db: Of the precision, in decibels.
    """
    pairs = [list(_pairs(case, rows, names)) for case, rows in zip(cases, outputs, strict=True)]
    deviations = [
        metrics.rms_diff(actual=np.concatenate([actual for actual, _ in each]),
                         reference=np.concatenate([reference for _, reference in each]))
        for each in pairs
    ]  # fmt: skip
    signal = np.concatenate([reference for each in pairs for _, reference in each])
    most = math.sqrt(float(np.square(signal).mean())) * 10 ** (-least_snr_db / 20)
    return min(float(np.median(deviations)), most)


def compare_answers(
    cases: Sequence[Case],
    outputs: Sequence[Sequence[Outputs]],
    *,
    task: Task,
    noise: float,
) -> tuple[ComparedInput, ...]:
    """Compares the answers to each example.

    Args:
        cases: What the PyTorch student made of each example.
        outputs: For each example, for each of its rows, the artifact's outputs by name.
        task: Decodes answers.
        noise: Standard deviation of a logit, in logits.
    """
    return tuple(
        _compare_answer(case, rows, task, noise=noise)
        for case, rows in zip(cases, outputs, strict=True)
    )


def tell_apart(
    case: Case, one: Answer, other: Answer, *, task: Task, noise: float
) -> tuple[Outcome, float]:
    """Returns whether two answers are the same, and how many logits are between them.

    The logits are the student's own. A margin is a sum of four of them, two of each span, so its
    noise is twice that of a logit. Up to ``NEAR_TIE_DEVIATIONS`` of that, noise decides between the
    two, and one is as right as the other.
    """
    if (one.start, one.end) == (other.start, other.end):
        return "same", 0.0
    margin = abs(task.margin(case.encoded, case.outputs, preferred=one, other=other))
    return ("near tie" if margin <= NEAR_TIE_DEVIATIONS * 2 * noise else "changed"), margin


def count_errors(
    cases: Sequence[Case], outputs: Sequence[Sequence[Outputs]], names: Sequence[str]
) -> tuple[int, ...]:
    """Returns how many logits differ by how much, in ``ERROR_BINS``; the ends hold what is beyond.

    Args:
        cases: What the PyTorch student made of each example.
        outputs: For each example, for each of its rows, the artifact's outputs by name.
        names: Of the outputs.
    """
    errors = np.concatenate(
        [
            np.abs(actual - reference)
            for case, rows in zip(cases, outputs, strict=True)
            for actual, reference in _pairs(case, rows, names)
        ]
    )
    counts, _ = np.histogram(errors.clip(ERROR_BINS[0], ERROR_BINS[-1]), ERROR_BINS)
    return tuple(int(count) for count in counts)


def f1_drop(task: Task, cases: Sequence[Case], answers: Sequence[Answer]) -> float:
    """Returns by how many percentage points of F1 answers fall behind the student's own.

    Over the examples whose answers are known; not a number where none are.
    """
    examples = [case.example for case in cases]
    labelled = [each for each in examples if each.answers]
    if not labelled:
        return math.nan

    def f1(given: Sequence[Answer]) -> float:
        texts = {each.id: answer.text for each, answer in zip(examples, given, strict=True)}
        return task.score(texts, labelled).f1

    return f1([case.answer for case in cases]) - f1(answers)


def real_logits(
    cases: Sequence[Case], outputs: Sequence[Sequence[Outputs]], name: str
) -> np.ndarray:
    """Returns one output at the real tokens of all rows, ``(num_tokens,) float64``."""
    return np.concatenate(
        [
            actual
            for case, rows in zip(cases, outputs, strict=True)
            for actual, _ in _pairs(case, rows, (name,))
        ]
    )


def _measure(
    cases: Sequence[Case], outputs: Sequence[Sequence[Outputs]], name: str
) -> LogitMetrics:
    """Measures one output over the real tokens of all rows together."""
    actual = real_logits(cases, outputs, name)
    reference = real_logits(cases, [case.outputs for case in cases], name)
    divergences = [
        metrics.kl_divergence(actual=row_actual, reference=row_reference)
        for case, rows in zip(cases, outputs, strict=True)
        for row_actual, row_reference in _pairs(case, rows, (name,))
    ]
    both = {"actual": actual, "reference": reference}
    return LogitMetrics(
        max_abs_diff=metrics.max_abs_diff(**both),
        mean_abs_diff=metrics.mean_abs_diff(**both),
        relative_error=metrics.relative_error(**both),
        cosine=metrics.cosine(**both),
        snr_db=metrics.snr_db(**both),
        kl_divergence=float(np.mean(divergences)),
    )


def _pairs(
    case: Case, rows: Sequence[Outputs], names: Sequence[str]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the actual and the reference logits of each row and output, at real tokens."""

    def real(row: Outputs, name: str, num_tokens: int) -> np.ndarray:
        return np.asarray(row[name], np.float64)[0, :num_tokens]

    return [
        (real(row, name, window.num_tokens), real(own, name, window.num_tokens))
        for window, row, own in zip(case.encoded.windows, rows, case.outputs, strict=True)
        for name in names
    ]


def _compare_answer(
    case: Case, rows: Sequence[Outputs], task: Task, *, noise: float
) -> ComparedInput:
    example, answer = case.example, task.decode(case.encoded, rows)
    outcome, margin = tell_apart(case, case.answer, answer, task=task, noise=noise)
    pairs = _pairs(case, rows, task.OUTPUT_NAMES)
    f1 = task.f1(prediction=answer.text, answers=example.answers)
    is_same_text = answer.text == case.answer.text  # two texts of no words have an F1 of zero
    return ComparedInput(
        id=example.id,
        question=example.question,
        context=example.context,
        reference=case.answer,
        answer=answer,
        outcome=outcome,
        margin=margin,
        max_abs_diff=float(np.max([np.abs(actual - own).max() for actual, own in pairs])),
        answer_f1=1.0 if is_same_text
        else task.f1(prediction=answer.text, answers=(case.answer.text,)),
        is_labelled=bool(example.answers),
        exact_match=task.exact_match(prediction=answer.text, answers=example.answers),
        f1=f1,
        f1_drop=task.f1(prediction=case.answer.text, answers=example.answers) - f1,
    )  # fmt: skip
