"""Finds a recipe under a budget: small enough, and of answers as good as they must be.

Each tensor group is quantized alone, in every format, and the noise that it makes in the logits is
measured once. Noises of different groups hardly know of each other, so that of a recipe is close to
their sum, and the recipes worth having lie on one line: from the smallest on, next comes the change
that takes away most noise for a byte. That is Dantzig's greedy for the multiple-choice knapsack
(Kellerer, Pferschy and Pisinger, "Knapsack Problems", 2004, chapter 11), with the additive noise of
HAWQ-V2 (arXiv 1911.03852).
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar, get_args

import numpy as np

from converters.weights.quantized import ModelWeights, QuantizedWeight
from pipeline.comparison import runtimes
from pipeline.comparison.cases import reference_cases
from pipeline.comparison.compare import real_logits
from pipeline.comparison.scores import worth_of
from pipeline.comparison.thresholds import THRESHOLDS
from pipeline.conversion.recipe import Integers, Recipe, tensor_group
from pipeline.files.canonical import json_value
from pipeline.quantization.budget import Budget, Cost
from pipeline.quantization.quantizer import Quantizer
from pipeline.running.run import Run
from pipeline.student.emulation import emulated
from pipeline.student.load import Student
from pipeline.tasks.task import Example, Score

NUM_PROBES = 16
"""Examples that noise is measured on. Their thousand tokens give it within a few percent."""

LEAST_SNR_DB = THRESHOLDS["auto"].snr_db + 1
"""Of the logits, as foreseen. Noises do not quite add up: 0.3 dB less was seen than foreseen."""

_LENGTHS = (64, 128, 256, 384)
_FLOAT_BYTES = 4
_SCALE_BYTES = {8: 4, 4: 2}
"""By bits: what the backends store a scale in, at most."""
_OPERATOR_BYTES = 350_000
"""What operators and names take in an artifact, at most, seen at six layers."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One format of one tensor group: its bytes, and its noise over the signal of the logits."""

    form: Integers
    size_bytes: int
    noise: float


@dataclass(frozen=True, kw_only=True)
class Step:
    """One recipe of the line from the smallest to the best.

    Attributes:
        recipe: What it is.
        change: What it does that the step before did not.
        size_bytes: Of an artifact, as foreseen.
        snr_db: Of the logits, as foreseen, in decibels.
        score: Of the task, which the budget limits the loss of.
        score_drop: Percentage points on all examples, of artifacts where they were built, of the
            emulated student where only that was asked; else not a number.
        is_chosen: Whether the search ended here.
    """

    recipe: Recipe
    change: str
    size_bytes: int
    snr_db: float
    score: Score
    score_drop: float = math.nan
    is_chosen: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values; a number that is not finite becomes null."""
        fields = {**vars(self), "recipe": self.recipe.model_dump()}
        fields[f"{fields.pop('score').name}_drop"] = fields.pop("score_drop")
        return {key: json_value(value) for key, value in fields.items()}


class Attempt(Protocol):
    """Artifacts that were built."""

    @property
    def cost(self) -> Cost:
        """What they cost."""
        ...


Made = TypeVar("Made", bound=Attempt)


def search(
    student: Student,
    quantizer: Quantizer,
    budget: Budget,
    *,
    examples: Sequence[Example],
    attempt: Callable[[Recipe], Made],
    run: Run,
) -> tuple[Made, tuple[Step, ...]]:
    """Finds a recipe that keeps to a budget.

    With a limit on the loss of score it is the smallest recipe that keeps to it and is not foreseen
    to fail at parity's gate of noise; else it is the best that is small enough. What artifacts cost
    decides in the end: one that breaks a budget makes the search go one step back.

    Args:
        student: In fp32.
        quantizer: Of its weights.
        budget: What the artifacts may cost.
        examples: Labelled.
        attempt: Builds the artifacts of a recipe; called for one recipe after the other.
        run: Its threads, cache and progress.

    Returns:
        What was built last, and the line of recipes from the smallest on, with that one marked.

    Raises:
        GateError: No recipe keeps to both budgets.
    """
    with run.stage("measure"):
        choices = measure(student, quantizer, examples, run=run)
    with run.stage("choose"):
        steps = _steps(student, quantizer, choices, budget)
        position = len(steps) - 1
        if budget.limits_answers:
            position = _smallest_that_answers(student, quantizer, steps, budget, examples)
    tried: set[int] = set()
    while True:
        made = attempt(steps[position].recipe)
        tried.add(position)
        steps[position] = replace(steps[position], score_drop=made.cost.score_drop)
        towards = _direction(made.cost, budget)
        if towards == 0:
            steps[position] = replace(steps[position], is_chosen=True)
            return made, tuple(steps)
        position += towards
        if position in tried or not 0 <= position < len(steps):
            budget.check(made.cost)


def _direction(cost: Cost, budget: Budget) -> Literal[-1, 0, 1]:
    """Returns where on the line to go on from artifacts: to smaller or better ones, or nowhere.

    Raises:
        GateError: An artifact did not run, and no other recipe would make it run.
    """
    if not budget.allows_size(cost):
        return -1
    if budget.limits_answers and math.isnan(cost.score_drop):
        raise budget.answers_error(cost)
    return 0 if budget.allows_answers(cost) else 1


def measure(
    student: Student,
    quantizer: Quantizer,
    examples: Sequence[Example],
    *,
    run: Run,
) -> dict[str, tuple[Choice, ...]]:
    """Returns what each tensor group costs in each format, by group.

    Args:
        student: In fp32.
        quantizer: Of its weights.
        examples: Of which ``NUM_PROBES`` are asked.
        run: Its threads, cache and progress.
    """
    exam = Exam(student, examples[:: math.ceil(len(examples) / NUM_PROBES)])
    forms: tuple[Integers, ...] = get_args(Integers)
    groups: dict[str, list[str]] = {}
    for name in quantizer.matrices:
        groups.setdefault(tensor_group(name), []).append(name)
    found: dict[str, tuple[Choice, ...]] = {}
    with run.progress.bars({"measure": len(groups) * len(forms)}) as update:
        for group, names in groups.items():
            choices = []
            for form in forms:
                integers = {name: quantizer.weight(name, form) for name in names}
                weights = ModelWeights(precision="auto", integers=integers)
                size_bytes = sum(map(_stored_bytes, integers.values()))
                noise = exam.noise(emulated(student, weights))
                choices.append(Choice(form=form, size_bytes=size_bytes, noise=noise))
                update("measure", len(found) * len(forms) + len(choices))
            found[group] = tuple(choices)
    return found


def line(
    choices: Mapping[str, Sequence[Choice]], *, max_bytes: float = math.inf
) -> list[dict[str, Choice]]:
    """Returns ever better choices for all groups, as far as bytes allow, from the smallest on.

    The smallest is there even if it is too large. A change that does not fit is passed over for one
    that does.
    """
    chosen = {
        group: min(each, key=lambda choice: (choice.size_bytes, choice.noise))
        for group, each in choices.items()
    }
    steps = [chosen]
    while True:
        free = max_bytes - sum(choice.size_bytes for choice in chosen.values())
        better = [
            (_gain(chosen[group], choice), group, choice)
            for group, each in choices.items()
            for choice in each
            if choice.noise < chosen[group].noise
            and choice.size_bytes - chosen[group].size_bytes <= free
        ]
        if not better:
            return steps
        _, group, choice = max(better, key=lambda change: change[0])
        chosen = {**chosen, group: choice}
        steps.append(chosen)


def _steps(
    student: Student,
    quantizer: Quantizer,
    choices: Mapping[str, Sequence[Choice]],
    budget: Budget,
) -> list[Step]:
    """Returns the recipes of the line as far as the budget's bytes go."""
    num_floats = sum(each.numel() for each in student.model.parameters())
    num_floats -= sum(each.size for each in quantizer.matrices.values())
    base = num_floats * _FLOAT_BYTES + _OPERATOR_BYTES
    steps: list[Step] = []
    for now in line(choices, max_bytes=budget.max_size_bytes - base):
        groups = {group: choice.form for group, choice in now.items()}
        before = steps[-1].recipe.groups if steps else groups
        steps.append(
            Step(
                recipe=Recipe(precision="auto", default="int8", groups=groups),
                score=student.task.BUDGETED,
                change="".join(
                    f"{name} {groups[name]}" for name in groups if groups[name] != before[name]
                ),
                size_bytes=base + sum(choice.size_bytes for choice in now.values()),
                snr_db=_decibels(sum(choice.noise for choice in now.values())),
            )
        )
    return steps


def _smallest_that_answers(
    student: Student,
    quantizer: Quantizer,
    steps: list[Step],
    budget: Budget,
    examples: Sequence[Example],
) -> int:
    """Returns where on the line answers begin to be good enough, by halving it."""
    exam = Exam(student, examples)

    def answers_well(position: int) -> bool:
        if steps[position].snr_db < LEAST_SNR_DB:
            return False  # without a word on its answers: parity would refuse them
        model = emulated(student, quantizer.model_weights(steps[position].recipe))
        steps[position] = replace(steps[position], score_drop=exam.score_drop(model))
        return steps[position].score_drop <= budget.max_score_drop

    last = len(steps) - 1  # which artifacts judge, if nothing before it answers well
    return bisect_left(range(last), True, key=answers_well)


class Exam:
    """Examples, each at the least length that holds it, and what the student says to them."""

    def __init__(self, student: Student, examples: Sequence[Example]) -> None:
        shorter = tuple(length for length in _LENGTHS if length < student.max_seq_len)
        self._cases = reference_cases(student, examples, (*shorter, student.max_seq_len))

    def noise(self, model: Student) -> float:
        """Returns the power of a model's error in all logits, over that of the logits."""
        outputs, own = self._run(model), [case.outputs for case in self._cases]
        error = signal = 0.0
        for spec in model.task.outputs:
            reference = real_logits(self._cases, own, spec)
            error += float(np.square(real_logits(self._cases, outputs, spec) - reference).sum())
            signal += float(np.square(reference).sum())
        return error / signal

    def score_drop(self, model: Student) -> float:
        """Returns by how many percentage points of its task's score a model falls behind."""
        answers = [
            model.task.decode(case.encoded, outputs)
            for case, outputs in zip(self._cases, self._run(model), strict=True)
        ]
        return worth_of(answers, self._cases, task=model.task).drop

    def _run(self, model: Student) -> list[list[dict[str, np.ndarray]]]:
        rows = [row.inputs for case in self._cases for row in case.encoded.rows]
        outputs = iter(runtimes.run_student_rows(model, rows).outputs)
        return [[next(outputs) for _ in case.encoded.rows] for case in self._cases]


def _gain(before: Choice, after: Choice) -> float:
    """Returns the noise that a change takes away for each byte that it adds."""
    added = after.size_bytes - before.size_bytes
    return (before.noise - after.noise) / added if added > 0 else math.inf


def _decibels(noise: float) -> float:
    return -10 * math.log10(noise) if noise > 0 else math.inf


def _stored_bytes(weight: QuantizedWeight) -> int:
    return weight.values.size * weight.bits // 8 + weight.scales.size * _SCALE_BYTES[weight.bits]
