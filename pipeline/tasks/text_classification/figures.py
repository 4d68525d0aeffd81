"""What labels are worth beside those that people gave, and how far probabilities have moved.

Scores are scikit-learn's and SciPy's.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from converters.values.errors import InputError
from pipeline.on_device.text_classification.rules import ClassificationRules, ProblemType
from pipeline.tasks.task import Score, Unreadable
from pipeline.tasks.text_classification.answers import Labels
from pipeline.tasks.text_classification.labelled import LabelledText

_ACCURACY = Score(name="accuracy", title="accuracy")
_MACRO_F1 = Score(name="macro_f1", title="macro F1")
_MATTHEWS = Score(name="matthews_correlation", title="Matthews' correlation")
_MICRO_F1 = Score(name="micro_f1", title="micro F1")
_EXACT = Score(name="exact_match", title="exact match")
_PEARSON = Score(name="pearson", title="Pearson")
_SPEARMAN = Score(name="spearman", title="Spearman")

MOVES = (
    Score(name="mean_probability_move", title="mean move of a probability"),
    Score(name="max_probability_move", title="largest"),
)
CALIBRATION = (
    Score(name="calibration_error_before", title="calibration error before"),
    Score(name="calibration_error", title="after"),
)

NUM_BINS = 15
"""Of confidence, in the calibration error; what Guo et al. take."""


def scores_of(problem: ProblemType, *, num_labels: int) -> tuple[Score, ...]:
    """Returns the scores of a kind of problem; the first is the one that budgets limit."""
    if problem == "regression":
        return _PEARSON, _SPEARMAN
    if problem == "multi_label_classification":
        return _MICRO_F1, _MACRO_F1, _EXACT
    return (_ACCURACY, _MACRO_F1, *[_MATTHEWS] * (num_labels == 2))


def score(
    answers: Mapping[str, Labels],
    examples: Sequence[LabelledText | Unreadable],
    *,
    labels: tuple[str, ...],
    rules: ClassificationRules,
) -> dict[str, float]:
    """Returns the scores of answers in per cent; correlations are a hundred times as large.

    Args:
        answers: By the id of their example.
        examples: Those that count. One that cannot be read, or has no answer, counts as answered
            wrongly; in correlations, which know no wrong, it does not count.
        labels: Of the model, by place.
        rules: Of the task.

    Raises:
        InputError: There are no examples.
    """
    if not examples:
        raise InputError("there are no examples to score", hint="give at least one")
    if rules.problem_type == "regression":
        return _correlations(answers, examples)
    if rules.problem_type == "multi_label_classification":
        return _of_several(answers, examples, labels)
    return _of_one(answers, examples, labels)


def _of_one(
    answers: Mapping[str, Labels],
    examples: Sequence[LabelledText | Unreadable],
    labels: tuple[str, ...],
) -> dict[str, float]:
    """Returns the scores where each example has one label.

    What people gave to an unreadable example, and what was answered to it, are two more classes:
    so it is wrong, and is not the fault of any label's F1 but that of its own.
    """
    from sklearn import metrics

    unknown, unanswered = len(labels), len(labels) + 1
    actual, given = [], []
    for each in examples:
        names = _names_of(each)
        actual.append(labels.index(names[0]) if names else unknown)
        places = answers[each.id].places if each.id in answers else ()
        given.append(places[0] if places else unanswered)
    occurring = sorted({*actual, *given} - {unknown, unanswered})
    values = {
        "accuracy": metrics.accuracy_score(actual, given),
        "macro_f1": metrics.f1_score(
            actual, given, labels=occurring, average="macro", zero_division=0
        )
        if occurring
        else 0.0,
    }
    if len(labels) == 2:
        with warnings.catch_warnings(action="ignore"):  # that there is one class alone
            values["matthews_correlation"] = metrics.matthews_corrcoef(actual, given)
    return _in_per_cent(values)


def _of_several(
    answers: Mapping[str, Labels],
    examples: Sequence[LabelledText | Unreadable],
    labels: tuple[str, ...],
) -> dict[str, float]:
    from sklearn import metrics

    places = {name: place for place, name in enumerate(labels)}
    actual = np.zeros((len(examples), len(labels)), np.int8)
    given = np.zeros_like(actual)
    is_exact = []
    for row, each in enumerate(examples):
        names = _names_of(each)
        actual[row, [places[name] for name in names or ()]] = 1
        if each.id in answers:
            given[row, list(answers[each.id].places)] = 1
        is_answered = each.id in answers and answers[each.id].is_finite
        is_same = bool((actual[row] == given[row]).all())
        is_exact.append(names is not None and is_answered and is_same)
    return _in_per_cent(
        {
            "micro_f1": metrics.f1_score(actual, given, average="micro", zero_division=0),
            "macro_f1": metrics.f1_score(actual, given, average="macro", zero_division=0),
            "exact_match": float(np.mean(is_exact)),
        }
    )


def _names_of(example: LabelledText | Unreadable) -> tuple[str, ...] | None:
    """Returns the labels that people gave; None where that cannot be read."""
    return example.labels if isinstance(example, LabelledText) else None


def _correlations(
    answers: Mapping[str, Labels], examples: Sequence[LabelledText | Unreadable]
) -> dict[str, float]:
    """Returns correlations; nothing is a number where one side is the same everywhere."""
    from scipy import stats

    pairs = [
        (each.value, answers[each.id].scores[0])
        for each in examples
        if isinstance(each, LabelledText) and each.value is not None and each.id in answers
    ]
    measures: dict[str, Callable[..., tuple[float, float]]] = {
        "pearson": stats.pearsonr,
        "spearman": stats.spearmanr,
    }
    if len(pairs) < 2:
        return dict.fromkeys(measures, np.nan)
    actual, given = np.array(pairs).T
    with warnings.catch_warnings(action="ignore"), np.errstate(invalid="ignore"):
        return _in_per_cent({name: of(actual, given)[0] for name, of in measures.items()})


def moves(before: Sequence[Labels], after: Sequence[Labels]) -> dict[str, float]:
    """Returns how far probabilities, or numbers, have moved, by the names of ``MOVES``.

    Args:
        before: What the student says of each example.
        after: What an artifact says of it.
    """
    far = np.abs(_scores(after) - _scores(before))  # (examples, labels)
    return {"mean_probability_move": float(far.mean()), "max_probability_move": float(far.max())}


def calibration_error(
    answers: Sequence[Labels],
    examples: Sequence[LabelledText],
    *,
    labels: tuple[str, ...],
    rules: ClassificationRules,
) -> float:
    """Returns how far confidence is from being right as often, on average, 0 to 1.

    Of one label, the confidence is the probability of the chosen one; of several, each label is an
    answer by itself. It is not a number where an answer is none.

    Args:
        answers: One for each example.
        examples: Labelled ones.
        labels: Of the model, by place.
        rules: Of the task.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv 1706.04599), eq. 3.
    """
    if not all(each.is_finite for each in answers):
        return np.nan
    probabilities = _scores(answers)
    is_set = np.array([[name in (each.labels or ()) for name in labels] for each in examples])
    if rules.problem_type == "single_label_classification":
        chosen = [[each.places[0]] for each in answers]
        probabilities = np.take_along_axis(probabilities, np.array(chosen), axis=1)
        is_set = np.take_along_axis(is_set, np.array(chosen), axis=1)
    confidence, is_right = probabilities.ravel(), is_set.ravel()
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    excess = np.bincount(bins, weights=confidence - is_right)
    return float(np.abs(excess).sum() / len(confidence))


def _scores(answers: Sequence[Labels]) -> np.ndarray:
    """Returns probabilities or numbers, ``(examples, labels) float64``."""
    return np.array([each.scores for each in answers])


def _in_per_cent(values: Mapping[str, float]) -> dict[str, float]:
    return {name: 100 * float(value) for name, value in values.items()}
