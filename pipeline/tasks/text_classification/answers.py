"""From the logits of rows to labels with probabilities, or to a number."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.on_device.text_classification.rules import ClassificationRules
from pipeline.tasks.task import Outputs

NUMBER_TOLERANCE = 0.01
"""Two numbers of a regression that are so near, or so near for their size, say the same."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What a model says of an example.

    Attributes:
        logits: By place, means over the rows of the example.
        scores: By place: probabilities, or the number of a regression.
        places: The label that is chosen, or those that are set, ascending; none of a regression,
            nor where a logit is no finite number.
    """

    logits: tuple[float, ...]
    scores: tuple[float, ...]
    places: tuple[int, ...]

    @property
    def is_finite(self) -> bool:
        """Whether every logit is a finite number, without which there is no answer."""
        return all(map(math.isfinite, self.logits))


def decode(outputs: Sequence[Outputs], *, rules: ClassificationRules) -> Labels:
    """Returns what the outputs of all rows say; of labels that tie, the first is chosen.

    Args:
        outputs: For each row ``logits``, ``(1, labels) float32``.
        rules: Of the task.
    """
    rows = [np.asarray(each["logits"], np.float64)[0] for each in outputs]
    with np.errstate(invalid="ignore"):
        logits = np.stack(rows).mean(axis=0)  # (labels,)
    is_finite = bool(np.isfinite(logits).all())
    scores = _scores(logits, rules) if is_finite else np.full_like(logits, math.nan)
    places: tuple[int, ...] = ()
    if is_finite and rules.problem_type == "single_label_classification":
        places = (int(np.argmax(logits)),)
    elif is_finite and rules.problem_type == "multi_label_classification":
        places = tuple(np.flatnonzero(scores >= rules.threshold).tolist())
    return Labels(logits=tuple(logits.tolist()), scores=tuple(scores.tolist()), places=places)


def _scores(logits: np.ndarray, rules: ClassificationRules) -> np.ndarray:
    from scipy import special

    if rules.problem_type == "regression":
        return logits
    if rules.problem_type == "single_label_classification":
        return np.asarray(special.softmax(logits))
    return np.asarray(special.expit(logits))


def same(one: Labels, other: Labels, *, rules: ClassificationRules) -> bool:
    """Returns whether two answers have the same labels, or nearly the same number.

    One of which a logit is no finite number is the same as none.
    """
    if not (one.is_finite and other.is_finite):
        return False
    if rules.problem_type == "regression":
        tolerance = {"rel_tol": NUMBER_TOLERANCE, "abs_tol": NUMBER_TOLERANCE}
        return math.isclose(one.scores[0], other.scores[0], **tolerance)
    return one.places == other.places


def margin(
    outputs: Sequence[Outputs], *, preferred: Labels, other: Labels, rules: ClassificationRules
) -> float:
    """Returns by how many logits one answer is ahead of another, in these outputs.

    Of several labels it is the largest distance from the threshold of those that differ, for only
    where all of them are close is the one answer as right as the other. Two numbers are as far from
    each other as they are.

    Args:
        outputs: For each row ``logits``, ``(1, labels) float32``.
        preferred: One answer.
        other: Another; infinitely far behind where it is none.
        rules: Of the task.
    """
    if not (preferred.is_finite and other.is_finite):
        return math.inf if preferred.is_finite else -math.inf
    logits = decode(outputs, rules=rules).logits
    if rules.problem_type == "regression":
        return abs(preferred.scores[0] - other.scores[0])
    if rules.problem_type == "single_label_classification":
        return logits[preferred.places[0]] - logits[other.places[0]]
    differing = set(preferred.places) ^ set(other.places)
    threshold = _logit(rules.threshold)
    return max((abs(logits[place] - threshold) for place in differing), default=0.0)


def _logit(probability: float) -> float:
    from scipy import special

    return float(special.logit(probability))
