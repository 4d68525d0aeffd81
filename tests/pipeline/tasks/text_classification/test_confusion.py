"""The tables of which label was given where people gave which."""

import math

import numpy as np
import pytest
from sklearn import metrics

from pipeline.tasks.task import Counts
from pipeline.tasks.text_classification import RULES, TextClassification
from pipeline.tasks.text_classification.answers import Labels
from pipeline.tasks.text_classification.confusion import MAX_LABELS
from pipeline.tasks.text_classification.labelled import LabelledText

NAMES = ("bad", "so-so", "good")
ONE = TextClassification(labels=NAMES)
SEVERAL = TextClassification(
    labels=NAMES, rules=RULES.model_copy(update={"problem_type": "multi_label_classification"})
)
NUMBER = TextClassification(rules=RULES.model_copy(update={"problem_type": "regression"}))


def chosen(*places: int, size: int = len(NAMES)) -> Labels:
    scores = tuple(float(place in places) for place in range(size))
    return Labels(logits=scores, scores=scores, places=places)


def labelled(*labels: str) -> LabelledText:
    return LabelledText(id=" ".join(labels), text="a", labels=labels)


def test_cells_are_those_of_scikit_learn_before_and_after():
    rng = np.random.default_rng(0)
    wanted, own, given = rng.integers(0, 3, (3, 50)).tolist()
    before, after = ONE.counts(
        [chosen(place) for place in own],
        [chosen(place) for place in given],
        [labelled(NAMES[place]) for place in wanted],
    )
    assert before.rows == before.columns == after.rows == after.columns == NAMES
    assert before.num_examples == after.num_examples == 50
    for counts, answered in ((before, own), (after, given)):
        assert (
            np.array(counts.cells).tolist() == metrics.confusion_matrix(wanted, answered).tolist()
        )
        assert np.array(counts.is_right).tolist() == np.eye(3, dtype=bool).tolist()


def test_texts_that_nobody_has_labelled_do_not_count():
    texts = [labelled("good"), LabelledText(id="2", text="b")]
    before, after = ONE.counts([chosen(2), chosen(0)], [chosen(1), chosen(0)], texts)
    assert before.cells == ((0, 0, 0), (0, 0, 0), (0, 0, 1))
    assert after.cells == ((0, 0, 0), (0, 0, 0), (0, 1, 0))
    assert ONE.counts([chosen(0)], [chosen(0)], texts[1:]) is None


def test_answer_that_is_none_has_a_column_of_its_own_in_both():
    lost = Labels(logits=(math.nan,) * 3, scores=(math.nan,) * 3, places=())
    before, after = ONE.counts([chosen(2)], [lost], [labelled("good")])
    assert before.columns == after.columns == (*NAMES, "no answer")
    assert before.cells[2] == (0, 0, 1, 0)
    assert after.cells[2] == (0, 0, 0, 1)
    assert not any(row[3] for row in after.is_right)


def test_of_several_labels_each_tells_what_became_of_it():
    texts = [labelled("bad", "good"), labelled()]
    before, after = SEVERAL.counts([chosen(0, 2), chosen()], [chosen(0, 1), chosen(1)], texts)
    assert before.columns == ("set, right", "set, wrong", "missed", "not set, right")
    assert before.cells == ((1, 0, 0, 1), (0, 0, 0, 2), (1, 0, 0, 1))
    assert after.cells == ((1, 0, 0, 1), (0, 2, 0, 0), (0, 0, 1, 1))
    assert after.is_right == ((True, False, False, True),) * 3


def test_numbers_have_no_table():
    number = Labels(logits=(1.0,), scores=(1.0,), places=())
    assert NUMBER.counts([number], [number], [LabelledText(id="1", text="a", value=1.0)]) is None


@pytest.fixture
def many() -> tuple[Counts, Counts]:
    """Thirty labels, each of them said once; the last is taken for the first by the artifact."""
    names = tuple(f"label {place}" for place in range(30))
    task = TextClassification(labels=names)
    own = [chosen(place, size=30) for place in range(30)]
    counts = task.counts(own, [*own[:-1], own[0]], [labelled(name) for name in names])
    assert counts is not None
    return counts


def test_of_many_labels_those_with_errors_are_shown_and_the_others_together(many):
    before, after = many
    assert len(before.rows) == MAX_LABELS + 1
    assert before.rows[0] == "label 0"
    assert before.rows[-2:] == ("label 29", "10 others")
    assert np.sum(before.cells) == np.sum(after.cells) == 30
    assert before.cells[-2][-2] == 1
    assert after.cells[-2][0] == 1
    assert after.cells[-1][-1] == 10
    assert after.is_right[-1][-1]


def test_others_are_not_shown_as_right_where_one_was_taken_for_another():
    names = tuple(f"label {place}" for place in range(30))
    answers = [chosen((place + 1) % 30, size=30) for place in range(30)]
    task = TextClassification(labels=names)
    before, _ = task.counts(answers, answers, [labelled(name) for name in names])
    assert before.cells[-1][-1] > 0
    assert not before.is_right[-1][-1]
