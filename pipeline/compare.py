"""Compares what an artifact computes with what the PyTorch student computes.

Every metric is a function of two arrays that are given by name, for a checker that swaps them by
position fails good models. Every gate is a metric with a threshold and a reason.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from pipeline.manifest import json_value
from pipeline.precision import Precision
from pipeline.squad import Question
from pipeline.tasks import Task
from pipeline.tasks.question_answering import Answer, Encoded
from pipeline.values import Artifact

Verdict = Literal["pass", "fail"]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What an artifact must keep to, against the PyTorch student in fp32.

    Attributes:
        max_abs_diff: Largest difference of a logit at a real token, in logits.
        cosine: Least cosine between all logits of an output, over the whole set.
        snr_db: Least signal-to-noise ratio of the logits, in decibels.
        answer_agreement: Least share of inputs whose answer is the same span.
        near_tie: A span that PyTorch itself scores within this many logits of its own answer counts
            as the same: the precision's noise decides between the two.
    """

    max_abs_diff: float
    cosine: float
    snr_db: float
    answer_agreement: float
    near_tie: float


THRESHOLDS: dict[Precision, Thresholds] = {
    # Only the order of additions differs; 1e-4 is some hundred roundings of a logit near ten.
    "fp32": Thresholds(
        max_abs_diff=1e-4, cosine=0.999999, snr_db=90, answer_agreement=1.0, near_tie=0.0
    ),
    # Ten bits of mantissa through a few layers: a part in a few hundred of the largest logit.
    "fp16": Thresholds(
        max_abs_diff=0.1, cosine=0.9999, snr_db=40, answer_agreement=1.0, near_tie=0.1
    ),
    # Seven bits a weight and a token: noise is a few percent of the signal, and close calls may
    # turn, but not more than one answer in twenty.
    "int8": Thresholds(
        max_abs_diff=2.0, cosine=0.995, snr_db=20, answer_agreement=0.95, near_tie=0.0
    ),
    # Three bits a weight: noise is up to a sixth of the signal. The answers that turn are judged by
    # their F1, for half of them are as good as the student's own.
    "int4": Thresholds(
        max_abs_diff=4.0, cosine=0.98, snr_db=15, answer_agreement=0.8, near_tie=0.0
    ),
}
THRESHOLDS["auto"] = THRESHOLDS["int4"]

# One range for all tokens: a token that is large in one channel leaves the others few levels, and
# three times as many close calls turn as where each token has its own.
STATIC_THRESHOLDS = replace(THRESHOLDS["int8"], max_abs_diff=3.0, answer_agreement=0.85)


def thresholds_of(artifact: Artifact) -> Thresholds:
    """Returns what an artifact must keep to."""
    if artifact.activations == "static":
        return STATIC_THRESHOLDS
    return THRESHOLDS[artifact.precision]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One metric beside its threshold; ``value`` may be not finite."""

    name: str
    verdict: Verdict
    value: float
    threshold: float


@dataclass(frozen=True, kw_only=True)
class Parity:
    """One artifact in one runtime at one length, compared with the PyTorch student.

    Its ``f1_drop`` is in percentage points of F1 on the labels: below zero where the artifact
    happens to answer better.
    """

    backend: str
    runtime: str
    precision: Precision
    seq_len: int
    verdict: Verdict
    max_abs_diff: float
    cosine: float
    snr_db: float
    answer_agreement: float
    f1_drop: float
    num_inputs: int
    gates: tuple[Gate, ...]
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values; numbers that are not finite become null."""
        return {key: json_value(value) for key, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One example as the student saw it: its rows, its logits and its answer."""

    example: Question
    encoded: Encoded
    outputs: Sequence[dict[str, np.ndarray]]
    answer: Answer


def max_abs_diff(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the largest absolute difference."""
    return float(np.abs(actual - reference).max())


def cosine(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the cosine of the angle between two arrays taken as vectors."""
    lengths = float(np.linalg.norm(actual)) * float(np.linalg.norm(reference))
    return float(actual.ravel() @ reference.ravel()) / lengths if lengths else math.nan


def snr_db(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the power of the reference over that of the difference, in decibels."""
    noise = float(np.square(actual - reference).sum())
    signal = float(np.square(reference).sum())
    if noise == 0:
        return math.inf
    if signal == 0 or math.isinf(noise):
        return -math.inf
    return 10 * (math.log10(signal) - math.log10(noise))


def compare(
    artifact: Artifact,
    runtime: str,
    *,
    cases: Sequence[Case],
    outputs: Sequence[Sequence[dict[str, np.ndarray]]],
    task: Task,
    thresholds: Thresholds,
    seq_len: int,
) -> Parity:
    """Judges one artifact's outputs.

    Args:
        artifact: What was run.
        runtime: What ran it.
        cases: What the PyTorch student made of each example.
        outputs: For each example, for each of its rows, the artifact's outputs by name.
        task: Decodes answers.
        thresholds: What to keep to.
        seq_len: That the rows are padded to.
    """
    measured = {name: _measure(cases, outputs, name) for name in task.OUTPUT_NAMES}
    finite = all(
        bool(np.isfinite(row[name]).all()) for rows in outputs for row in rows for name in measured
    )
    answers = [task.decode(case.encoded, rows) for case, rows in zip(cases, outputs, strict=True)]
    same = [
        task.agrees(case.encoded, case.outputs, answer=answer,
                    reference=case.answer, near_tie=thresholds.near_tie)
        for case, answer in zip(cases, answers, strict=True)
    ]  # fmt: skip
    # NumPy's extremes keep what is not a number, where Python's own may lose it.
    worst = {
        "max_abs_diff": float(np.max([each["max_abs_diff"] for each in measured.values()])),
        "cosine": float(np.min([each["cosine"] for each in measured.values()])),
        "snr_db": float(np.min([each["snr_db"] for each in measured.values()])),
    }
    if not finite:
        worst = dict.fromkeys(worst, math.nan)
    agreement = float(np.mean(same))
    gates = (
        _gate("finite", float(finite), at_least=1.0),
        _gate("max_abs_diff", worst["max_abs_diff"], at_most=thresholds.max_abs_diff),
        _gate("cosine", worst["cosine"], at_least=thresholds.cosine),
        _gate("snr_db", worst["snr_db"], at_least=thresholds.snr_db),
        _gate("answer_agreement", agreement, at_least=thresholds.answer_agreement),
    )
    failed = [gate for gate in gates if gate.verdict == "fail"]
    return Parity(
        backend=artifact.backend,
        runtime=runtime,
        precision=artifact.precision,
        seq_len=seq_len,
        verdict="fail" if failed else "pass",
        **worst,
        answer_agreement=agreement,
        f1_drop=f1_drop(task, cases, answers),
        num_inputs=len(cases),
        gates=gates,
        reason="; ".join(f"{gate.name} is {gate.value:.4g}, the gate is {gate.threshold:g}"
                         for gate in failed),
    )  # fmt: skip


def f1_drop(task: Task, cases: Sequence[Case], answers: Sequence[Answer]) -> float:
    """Returns by how many percentage points of F1 answers fall behind the student's own."""
    examples = [case.example for case in cases]

    def f1(given: Iterable[Answer]) -> float:
        texts = {each.id: answer.text for each, answer in zip(examples, given, strict=True)}
        return task.score(texts, examples).f1

    return f1(case.answer for case in cases) - f1(answers)


def real_logits(
    cases: Sequence[Case], outputs: Sequence[Sequence[dict[str, np.ndarray]]], name: str
) -> np.ndarray:
    """Returns one output at the real tokens of all rows, ``(num_tokens,) float64``."""
    return np.concatenate(
        [
            np.asarray(row[name], np.float64)[0, : window.num_tokens]
            for case, rows in zip(cases, outputs, strict=True)
            for window, row in zip(case.encoded.windows, rows, strict=True)
        ]
    )


def failed_parity(artifact: Artifact, runtime: str, *, seq_len: int, reason: str) -> Parity:
    """Returns the verdict on an artifact that did not run: it fails, and says why."""
    return Parity(
        backend=artifact.backend,
        runtime=runtime,
        precision=artifact.precision,
        seq_len=seq_len,
        verdict="fail",
        max_abs_diff=math.nan,
        cosine=math.nan,
        snr_db=math.nan,
        answer_agreement=0.0,
        f1_drop=math.nan,
        num_inputs=0,
        gates=(_gate("runs", 0.0, at_least=1.0),),
        reason=reason,
    )


def _measure(
    cases: Sequence[Case], outputs: Sequence[Sequence[dict[str, np.ndarray]]], name: str
) -> dict[str, float]:
    """Returns the metrics of one output over the real tokens of all rows together."""
    both = {
        "actual": real_logits(cases, outputs, name),
        "reference": real_logits(cases, [case.outputs for case in cases], name),
    }
    with np.errstate(invalid="ignore", over="ignore"):
        return {
            "max_abs_diff": max_abs_diff(**both),
            "cosine": cosine(**both),
            "snr_db": snr_db(**both),
        }


def _gate(
    name: str, value: float, *, at_least: float | None = None, at_most: float | None = None
) -> Gate:
    """Judges one value; a value that is not a number passes no gate."""
    if at_least is not None:
        return Gate(
            name=name,
            value=value,
            threshold=at_least,
            verdict="pass" if value >= at_least else "fail",
        )
    assert at_most is not None
    return Gate(name=name, value=value, threshold=at_most,
                verdict="pass" if value <= at_most else "fail")  # fmt: skip
