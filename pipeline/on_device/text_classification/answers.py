"""Makes labels with scores, or a number, of the logits of all rows."""

import math
from collections.abc import Mapping, Sequence

from pipeline.bundle.vectors import Value
from pipeline.on_device.text_classification.rules import ClassificationRules


def answer_of(
    logits: Sequence[Sequence[float]], *, labels: Sequence[str], rules: ClassificationRules
) -> Mapping[str, Value | None]:
    """Returns an answer as ``vectors.json`` has it, of None where a logit is no finite number.

    Args:
        logits: For each row, one for each label; one for a regression.
        labels: Of the manifest, by place.
        rules: Of the manifest.
    """
    means = [sum(each) / len(logits) for each in zip(*logits, strict=True)]
    is_finite = all(map(math.isfinite, means))
    if rules.problem_type == "regression":
        return {"score": means[0] if is_finite else None}
    if rules.problem_type == "single_label_classification":
        if not is_finite:
            return {"label": None, "scores": None}
        return {"label": labels[means.index(max(means))], "scores": softmax(means)}
    if not is_finite:
        return {"labels": None, "scores": None}
    scores = tuple(map(sigmoid, means))
    found = [name for name, score in zip(labels, scores, strict=True) if score >= rules.threshold]
    return {"labels": tuple(found), "scores": scores}


def softmax(logits: Sequence[float]) -> tuple[float, ...]:
    """Returns the probabilities of labels of which one is right."""
    largest = max(logits)
    powers = [math.exp(each - largest) for each in logits]
    total = sum(powers)
    return tuple(each / total for each in powers)


def sigmoid(logit: float) -> float:
    """Returns the probability of one label by itself."""
    power = math.exp(-abs(logit))  # never above 1
    return 1 / (1 + power) if logit >= 0 else power / (1 + power)
