"""Compares what an artifact computes with what the PyTorch student computes.

At three levels: the logits, the answers, and the score on labelled questions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pipeline.comparison.cases import Case
from pipeline.conversion import metrics
from pipeline.tasks.task import Outputs, OutputSpec, Task

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
        kl_divergence: Mean over rows of that between the distributions over what counts of an
            output, tokens or labels, in nats; not a number where it is of no distribution.
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
        texts: Of the example, by name.
        outcome: Whether the answer is the student's own, one that ties with it, or another.
        margin: By how many logits the student itself prefers its own; infinite where the other is
            none that it could give.
        max_abs_diff: Over what counts of its outputs.
        likeness: How alike the two answers are, as the task measures it, 0 to 1.
        worth: On the labels, 0 to 1, of those of the task's scores that are means over examples.
        score_drop: Of the one that budgets limit, below that of the student; zero without labels.
    """

    id: str
    texts: Mapping[str, str]
    reference: Any
    answer: Any
    outcome: Outcome
    margin: float
    max_abs_diff: float
    likeness: Mapping[str, float]
    is_labelled: bool
    worth: Mapping[str, float]
    score_drop: float

    def to_json(self, task: Task) -> dict[str, Any]:
        """Returns the fields as JSON values; the task's figures go by its own names."""
        alike = task.LIKENESS[-1].name
        return {
            "id": self.id,
            **self.texts,
            "reference": task.to_json(self.reference),
            "answer": task.to_json(self.answer),
            "outcome": self.outcome,
            "margin": self.margin,
            "max_abs_diff": self.max_abs_diff,
            alike: self.likeness[alike],
            "is_labelled": self.is_labelled,
            **self.worth,
            f"{task.BUDGETED.name}_drop": self.score_drop,
        }


def compare_logits(
    cases: Sequence[Case], outputs: Sequence[Sequence[Outputs]], specs: Sequence[OutputSpec]
) -> LogitMetrics:
    """Measures what counts of all rows' outputs; nothing is a number where not all are finite.

    Args:
        cases: What the PyTorch student made of each example.
        outputs: For each example, for each of its rows, the artifact's outputs by name.
        specs: Of the outputs.
    """
    if not is_finite(outputs, specs):
        return NO_METRICS
    with np.errstate(invalid="ignore", over="ignore"):
        measured = [_measure(cases, outputs, spec) for spec in specs]
    # NumPy's extremes keep what is not a number, where Python's own may lose it.
    worst = {key: np.max([getattr(each, key) for each in measured]) for key in vars(NO_METRICS)}
    for key in ("cosine", "snr_db"):
        worst[key] = np.min([getattr(each, key) for each in measured])
    return LogitMetrics(**{key: float(value) for key, value in worst.items()})


def is_finite(outputs: Sequence[Sequence[Outputs]], specs: Sequence[OutputSpec]) -> bool:
    """Returns whether every value of every output is a finite number, padding included."""
    return all(bool(np.isfinite(row[spec.name]).all()) for rows in outputs for row in rows
               for spec in specs)  # fmt: skip


def logit_noise(
    cases: Sequence[Case],
    outputs: Sequence[Sequence[Outputs]],
    specs: Sequence[OutputSpec],
    *,
    least_snr_db: float,
) -> float:
    """Returns the standard deviation of an artifact's logits from the student's, in logits.

    It is the median over examples, so that one row gone wrong does not excuse itself, and at most
    what the precision may have.

    Args:
        cases: What the PyTorch student made of each example.
        outputs: For each example, for each of its rows, the artifact's outputs by name.
        specs: Of the outputs.
        least_snr_db: Of the precision, in decibels.
    """
    pairs = [list(_pairs(case, rows, specs)) for case, rows in zip(cases, outputs, strict=True)]
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
    case: Case, one: Any, other: Any, *, task: Task, noise: float
) -> tuple[Outcome, float]:
    """Returns whether two answers are the same, and how many logits are between them.

    The logits are the student's own. The noise of a margin is that of a logit times the root of how
    many it adds up. Up to ``NEAR_TIE_DEVIATIONS`` of that, noise decides between the two, and one
    is as right as the other.
    """
    if task.same(one, other):
        return "same", 0.0
    margin = abs(task.margin(case.encoded, case.outputs, preferred=one, other=other))
    noise *= math.sqrt(task.MARGIN_LOGITS)
    return ("near tie" if margin <= NEAR_TIE_DEVIATIONS * noise else "changed"), margin


def count_errors(
    cases: Sequence[Case], outputs: Sequence[Sequence[Outputs]], specs: Sequence[OutputSpec]
) -> tuple[int, ...]:
    """Returns how many logits differ by how much, in ``ERROR_BINS``; the ends hold what is beyond.

    Args:
        cases: What the PyTorch student made of each example.
        outputs: For each example, for each of its rows, the artifact's outputs by name.
        specs: Of the outputs.
    """
    errors = np.concatenate(
        [
            np.abs(actual - reference)
            for case, rows in zip(cases, outputs, strict=True)
            for actual, reference in _pairs(case, rows, specs)
        ]
    )
    counts, _ = np.histogram(errors.clip(ERROR_BINS[0], ERROR_BINS[-1]), ERROR_BINS)
    return tuple(int(count) for count in counts)


def real_logits(
    cases: Sequence[Case], outputs: Sequence[Sequence[Outputs]], spec: OutputSpec
) -> np.ndarray:
    """Returns what counts of one output of all rows, ``(numbers,) float64``."""
    return np.concatenate(
        [
            actual
            for case, rows in zip(cases, outputs, strict=True)
            for actual, _ in _pairs(case, rows, (spec,))
        ]
    )


def _measure(
    cases: Sequence[Case], outputs: Sequence[Sequence[Outputs]], spec: OutputSpec
) -> LogitMetrics:
    """Measures what counts of one output over all rows together."""
    actual = real_logits(cases, outputs, spec)
    reference = real_logits(cases, [case.outputs for case in cases], spec)
    divergence_of = {
        "one of all": metrics.kl_divergence,
        "each by itself": metrics.kl_divergence_of_each,
        "numbers": _no_divergence,
    }[spec.means]
    divergences = [
        divergence_of(actual=row_actual, reference=row_reference)
        for case, rows in zip(cases, outputs, strict=True)
        for row_actual, row_reference in _pairs(case, rows, (spec,))
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


def _no_divergence(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns what is no number: numbers as they are have no distribution."""
    del actual, reference
    return math.nan


def _pairs(
    case: Case, rows: Sequence[Outputs], specs: Sequence[OutputSpec]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns what counts of the actual and the reference outputs, of each row and output."""

    def real(outputs: Outputs, spec: OutputSpec, num_tokens: int) -> np.ndarray:
        values = spec.real(np.asarray(outputs[spec.name], np.float64), num_tokens)
        return values.ravel()

    return [
        (real(outputs, spec, row.num_tokens), real(own, spec, row.num_tokens))
        for row, outputs, own in zip(case.encoded.rows, rows, case.outputs, strict=True)
        for spec in specs
    ]


def _compare_answer(
    case: Case, rows: Sequence[Outputs], task: Task, *, noise: float
) -> ComparedInput:
    example, answer = case.example, task.decode(case.encoded, rows)
    outcome, margin = tell_apart(case, case.answer, answer, task=task, noise=noise)
    worth, own = (task.worth(each, example) for each in (answer, case.answer))
    counted = task.BUDGETED.name
    pairs = _pairs(case, rows, task.outputs)
    return ComparedInput(
        id=example.id,
        texts=example.texts,
        reference=case.answer,
        answer=answer,
        outcome=outcome,
        margin=margin,
        max_abs_diff=float(np.max([np.abs(actual - own).max() for actual, own in pairs])),
        likeness=task.likeness(answer, case.answer),
        is_labelled=example.is_labelled,
        worth=worth,
        score_drop=own[counted] - worth[counted] if counted in worth else 0.0,
    )
