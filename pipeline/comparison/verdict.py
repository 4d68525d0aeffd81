"""The verdict on one artifact in one runtime at one length: metrics, gates, pass or fail."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from converters.values.artifact import Artifact
from converters.values.precision import Precision
from pipeline.comparison.cases import Case
from pipeline.comparison.compare import (
    ComparedInput,
    LogitMetrics,
    compare_answers,
    compare_logits,
    count_errors,
    is_finite,
    logit_noise,
    real_logits,
    tell_apart,
)
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.scores import Worth, worth_of
from pipeline.comparison.thresholds import OWN_WEIGHTS_SNR_DB, Thresholds
from pipeline.conversion import metrics
from pipeline.files.canonical import json_value
from pipeline.tasks.task import Counts, Outputs, OutputSpec, Task

Verdict = Literal["pass", "fail"]

FILE_NAME = "parity.json"

NUM_WORST = 10


_FIELDS = (
    "backend", "runtime", "precision", "seq_len", "verdict", "max_abs_diff", "mean_abs_diff",
    "relative_error", "cosine", "snr_db", "kl_divergence", "answer_agreement", "num_near_ties",
)  # fmt: skip
"""Of ``Parity``, that are in its JSON as they are."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One metric beside its threshold; ``value`` may be not finite.

    Attributes:
        detail: What the value was found on, where that helps.
    """

    name: str
    verdict: Verdict
    value: float
    threshold: float
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """One artifact in one runtime at one length, compared with the PyTorch student.

    Its logits are measured as in ``LogitMetrics``, over all inputs; all are of real tokens.

    Attributes:
        task: Of the student; it says which figures there are.
        answer_agreement: Share of inputs whose answer is the same, or ties with it.
        num_near_ties: Inputs whose answer is another that ties with the student's own.
        likeness: How alike the answers are, as the task measures it: means over inputs.
        worth: On the labels.
        drift: How far answers have moved, as the task measures it over all of them.
        counts: Of the student's answers and of the artifact's, where the task counts them.
        num_inputs: Examples; hard rows are not among them.
        num_cut: Those of them of which a part was not read.
        worst: Inputs that fare worst, the worst first.
        error_counts: As ``count_errors`` gives it.
    """

    backend: str
    runtime: str
    precision: Precision
    seq_len: int
    verdict: Verdict
    task: Task = field(repr=False)
    max_abs_diff: float = math.nan
    mean_abs_diff: float = math.nan
    relative_error: float = math.nan
    cosine: float = math.nan
    snr_db: float = math.nan
    kl_divergence: float = math.nan
    answer_agreement: float = math.nan
    num_near_ties: int = 0
    likeness: Mapping[str, float] = field(default_factory=dict)
    worth: Worth = field(default_factory=Worth)
    drift: Mapping[str, float] = field(default_factory=dict)
    counts: tuple[Counts, Counts] | None = field(default=None, repr=False)
    num_inputs: int = 0
    num_cut: int = 0
    gates: tuple[Gate, ...]
    reason: str
    worst: tuple[ComparedInput, ...] = field(default=(), repr=False)
    error_counts: tuple[int, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values, what is the task's own by the names that it gives.

        Numbers that are not finite become null.
        """
        drop = f"{self.task.BUDGETED.name}_drop"
        fields = {
            **{key: getattr(self, key) for key in _FIELDS},
            **{each.name: self.likeness.get(each.name, math.nan) for each in self.task.LIKENESS},
            **{each.name: self.worth.scores.get(each.name, math.nan) for each in self.task.SCORES},
            **{each.name: self.drift.get(each.name, math.nan) for each in self.task.DRIFT},
            drop: self.worth.drop,
            f"{drop}_interval": self.worth.drop_interval,
            "num_inputs": self.num_inputs,
            "num_cut": self.num_cut,
            "gates": [asdict(gate) for gate in self.gates],
            "reason": self.reason,
            "worst": [each.to_json(self.task) for each in self.worst],
            "error_counts": self.error_counts,
        }
        return {key: json_value(value) for key, value in fields.items()}


@dataclass(frozen=True, kw_only=True)
class HardRows:
    """What the student and an artifact made of rows that are built to be hard.

    Attributes:
        cases: What the student made of them; the id of each tells what it is.
        outputs: What the artifact made of them, padded as ``cases`` are.
        padded: For each case, what the artifact made of the same tokens padded otherwise.
        own_weights: What the student made of them with the integers that the artifact holds;
            nothing where it holds none, or others than the student's.
    """

    cases: Sequence[Case]
    outputs: Sequence[Sequence[Outputs]]
    padded: Sequence[Sequence[Sequence[Outputs]]]
    own_weights: Sequence[Sequence[Outputs]] | None = None


def judge(
    artifact: Artifact,
    runtime: str,
    *,
    cases: Sequence[Case],
    outputs: Sequence[Sequence[Outputs]],
    hard: HardRows | None = None,
    weight_problems: Sequence[str] | None = None,
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
        hard: Rows with gates of their own.
        weight_problems: What the audit of the file's weights found; None where it was not made.
        task: Decodes and scores answers.
        thresholds: What to keep to.
        seq_len: That the rows are padded to.
    """
    specs = task.outputs
    logits = compare_logits(cases, outputs, specs)
    noise = logit_noise(cases, outputs, specs, least_snr_db=thresholds.snr_db)
    compared = compare_answers(cases, outputs, task=task, noise=noise)
    outcomes = [each.outcome for each in compared]
    agreement = 1 - outcomes.count("changed") / len(outcomes)
    gates = [
        at_least("finite", float(is_finite(outputs, specs)), 1.0),
        *_logit_gates(logits, thresholds),
        at_least("answer_agreement", agreement, thresholds.answer_agreement),
        *([] if hard is None else _hard_gates(hard, task, noise, thresholds)),
        *([] if weight_problems is None else [_weights_gate(weight_problems)]),
    ]
    failed = [gate for gate in gates if gate.verdict == "fail"]
    return Parity(
        backend=artifact.backend, runtime=runtime, precision=artifact.precision, seq_len=seq_len,
        verdict="fail" if failed else "pass", task=task, **vars(logits), answer_agreement=agreement,
        num_near_ties=outcomes.count("near tie"), likeness=_mean_likeness(compared, task),
        worth=worth_of([each.answer for each in compared], cases, task=task),
        **_of_all(cases, compared, task),
        num_inputs=len(compared), num_cut=sum(case.encoded.is_cut for case in cases),
        gates=tuple(gates), reason="; ".join(_reason(gate) for gate in failed),
        worst=tuple(sorted(compared, key=badness_by(task), reverse=True)[:NUM_WORST]),
        error_counts=count_errors(cases, outputs, specs) if not math.isnan(logits.snr_db) else (),
    )  # fmt: skip


def as_json(parity: Sequence[Parity], skipped: Sequence[Skipped]) -> dict[str, Any]:
    """Returns verdicts, and what could not run, as ``parity --json`` and ``parity.json`` do."""
    return {
        "parity": [each.to_json() for each in parity],
        "skipped": [asdict(each) for each in skipped],
    }


def failed_parity(
    artifact: Artifact, runtime: str, *, task: Task, seq_len: int, reason: str
) -> Parity:
    """Returns the verdict on an artifact that did not run: it fails, and says why."""
    return Parity(
        backend=artifact.backend,
        runtime=runtime,
        precision=artifact.precision,
        seq_len=seq_len,
        verdict="fail",
        task=task,
        gates=(at_least("runs", 0.0, 1.0),),
        reason=reason,
    )


def _mean_likeness(compared: Sequence[ComparedInput], task: Task) -> dict[str, float]:
    """Returns the means over inputs of what tells how alike two answers are."""
    return {
        each.name: float(np.mean([one.likeness[each.name] for one in compared]))
        for each in task.LIKENESS
    }


def _of_all(cases: Sequence[Case], compared: Sequence[ComparedInput], task: Task) -> dict[str, Any]:
    """Returns what the task itself tells of all answers together: how they moved, and counts."""
    examples = [case.example for case in cases]
    own, given = [case.answer for case in cases], [each.answer for each in compared]
    return {
        "drift": task.drift(own, given, examples), "counts": task.counts(own, given, examples)
    }  # fmt: skip


def _logit_gates(logits: LogitMetrics, thresholds: Thresholds) -> list[Gate]:
    return [
        at_most("max_abs_diff", logits.max_abs_diff, thresholds.max_abs_diff),
        at_least("cosine", logits.cosine, thresholds.cosine),
        at_least("snr_db", logits.snr_db, thresholds.snr_db),
    ]


def _weights_gate(problems: Sequence[str]) -> Gate:
    return at_least("weights", float(not problems), 1.0, detail="; ".join(problems))


def _hard_gates(hard: HardRows, task: Task, noise: float, thresholds: Thresholds) -> list[Gate]:
    gates = [
        _hard_rows_gate(hard, task.outputs, thresholds),
        _padding_gate(hard, task, noise, thresholds),
    ]
    if hard.own_weights is not None:
        gates.append(_own_weights_gate(hard, hard.own_weights, task.outputs))
    return gates


def _hard_rows_gate(hard: HardRows, specs: Sequence[OutputSpec], thresholds: Thresholds) -> Gate:
    """Judges each row by itself, for an average would hide it; the worst counts."""
    ratios: dict[str, float] = dict.fromkeys((case.example.id for case in hard.cases), math.inf)
    for spec in specs:
        for name, ratio in _hard_ratios(hard, spec).items():
            ratios[name] = float(np.minimum(ratios[name], ratio))  # keeps what is not a number
    # What is not a number is worse than any number.
    worst = min(ratios, key=lambda name: (not math.isnan(ratios[name]), ratios[name]))
    return at_least(
        "hard_rows", ratios[worst], thresholds.hard_rows_snr_db, detail=f"dB at {worst}"
    )


def _hard_ratios(hard: HardRows, spec: OutputSpec) -> dict[str, float]:
    """Returns the signal-to-noise ratio of an output in each hard row, by the row's id.

    The few numbers that there are of a row, and not of each token, may all be near zero by chance,
    which says nothing of their noise: it is compared with the signal of all rows.
    """
    pairs = list(zip(hard.cases, hard.outputs, strict=True))
    if spec.per == "token":
        return {
            case.example.id: compare_logits([case], [rows], [spec]).snr_db for case, rows in pairs
        }
    signal = real_logits(hard.cases, [case.outputs for case in hard.cases], spec)
    power = float(np.square(signal).mean())
    ratios = {}
    for case, rows in pairs:
        own = real_logits([case], [case.outputs], spec)
        noise = real_logits([case], [rows], spec) - own
        level = np.full_like(noise, math.sqrt(power))
        ratios[case.example.id] = metrics.snr_db(actual=level + noise, reference=level)
    return ratios


def _padding_gate(hard: HardRows, task: Task, noise: float, thresholds: Thresholds) -> Gate:
    """Counts rows whose answer depends on their padding; near ties of the student do not count."""
    changed = []
    for case, rows, variants in zip(hard.cases, hard.outputs, hard.padded, strict=True):
        answer = task.decode(case.encoded, rows)
        others = [task.decode(case.encoded, variant) for variant in variants]
        outcomes = [tell_apart(case, answer, each, task=task, noise=noise)[0] for each in others]
        if "changed" in outcomes:
            changed.append(case.example.id)
    share = 1 - len(changed) / len(hard.cases)
    detail = f"for {', '.join(changed)}" if changed else ""
    return at_least("padding_invariance", share, thresholds.padding_invariance, detail=detail)


def _own_weights_gate(
    hard: HardRows, own_weights: Sequence[Sequence[Outputs]], specs: Sequence[OutputSpec]
) -> Gate:
    """Judges what the artifact makes of its own weights, all rows together."""
    cases = [
        replace(case, outputs=outputs)
        for case, outputs in zip(hard.cases, own_weights, strict=True)
    ]
    ratio = compare_logits(cases, hard.outputs, specs).snr_db
    detail = "dB against the student with the file's own integers"
    return at_least("own_weights", ratio, OWN_WEIGHTS_SNR_DB, detail=detail)


def badness_by(task: Task) -> Callable[[ComparedInput], tuple[float, ...]]:
    """Returns what orders inputs by how badly they fare; one that is larger is worse."""
    return lambda compared: (
        *task.badness(compared.likeness, outcome=compared.outcome),
        compared.max_abs_diff,
    )


def at_least(name: str, value: float, threshold: float, *, detail: str = "") -> Gate:
    """Judges a value that must not be small; one that is not a number passes no gate."""
    verdict: Verdict = "pass" if value >= threshold else "fail"
    return Gate(name=name, value=value, threshold=threshold, verdict=verdict, detail=detail)


def at_most(name: str, value: float, threshold: float) -> Gate:
    """Judges a value that must not be large; one that is not a number passes no gate."""
    verdict: Verdict = "pass" if value <= threshold else "fail"
    return Gate(name=name, value=value, threshold=threshold, verdict=verdict)


def _reason(gate: Gate) -> str:
    place = f" {gate.detail}" if gate.detail else ""
    if gate.name == "weights":
        return f"the file does not hold the student's weights:{place}"
    return f"{gate.name} is {gate.value:.4g}{place}, the gate is {gate.threshold:g}"
