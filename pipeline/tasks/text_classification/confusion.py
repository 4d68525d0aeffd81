"""Counts which labels were given where people gave which, by a student and by an artifact."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.on_device.text_classification.rules import ClassificationRules
from pipeline.tasks.task import Counts
from pipeline.tasks.text_classification.answers import Labels
from pipeline.tasks.text_classification.labelled import LabelledText

MAX_LABELS = 20
"""Of a table; of more, those with the most errors are shown, and the others together."""

_NO_ANSWER = "no answer"
_OF_SEVERAL = ("set, right", "set, wrong", "missed", "not set, right")

_Pairs = list[tuple[Labels, set[int]]]
"""For each labelled example what was answered, and the places of the labels that people gave."""


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The rows of a table.

    Attributes:
        names: Of labels; the last is that of all others, where some are not shown.
        row_of: The row of each label, by place.
        is_mixed: Whether the last holds others of which one was taken for another.
    """

    names: tuple[str, ...]
    row_of: tuple[int, ...]
    is_mixed: bool


def count(
    before: Sequence[Labels],
    after: Sequence[Labels],
    examples: Sequence[LabelledText],
    *,
    labels: tuple[str, ...],
    rules: ClassificationRules,
) -> tuple[Counts, Counts] | None:
    """Returns the tables of a student and of an artifact, with the same rows and columns.

    Where one label is right, a row is a label that people gave, and a column one that was answered.
    Where several are, a row is a label, and the columns are what became of it. Of numbers, or
    where nothing is labelled, there is no table.

    Args:
        before: What the student says of each example.
        after: What an artifact says of it.
        examples: Those that nobody has labelled do not count.
        labels: Of the model, by place.
        rules: Of the task.
    """
    own, given = (
        [
            (answer, {labels.index(name) for name in each.labels})
            for answer, each in zip(answers, examples, strict=True)
            if each.labels is not None
        ]
        for answers in (before, after)
    )
    if not own or rules.problem_type == "regression":
        return None
    rows = _rows([*own, *given], labels)
    if rules.problem_type == "multi_label_classification":
        return _of_several(own, rows), _of_several(given, rows)
    is_whole = all(answer.places for answer, _ in (*own, *given))
    columns = rows.names if is_whole else (*rows.names, _NO_ANSWER)
    return _of_one(own, rows, columns), _of_one(given, rows, columns)


def _rows(pairs: _Pairs, labels: tuple[str, ...]) -> _Rows:
    """Returns a row for each label, or for those with the most errors and one for the others."""
    wrong, seen = Counter[int](), Counter[int]()
    for answer, wanted in pairs:
        wrong.update(wanted ^ set(answer.places))
        seen.update(wanted | set(answer.places))
    order = sorted(range(len(labels)), key=lambda place: (-wrong[place], -seen[place], place))
    kept, others = sorted(order[:MAX_LABELS]), order[MAX_LABELS:]
    rows = {place: row for row, place in enumerate(kept)}
    return _Rows(
        names=tuple(labels[place] for place in kept)
        + ((f"{len(others)} others",) if others else ()),
        row_of=tuple(rows.get(place, len(kept)) for place in range(len(labels))),
        is_mixed=any(wrong[place] for place in others),
    )


def _of_one(pairs: _Pairs, rows: _Rows, columns: tuple[str, ...]) -> Counts:
    """Returns how often which label was answered where which is right."""
    cells = np.zeros((len(rows.names), len(columns)), np.int64)
    for answer, [wanted] in pairs:
        column = rows.row_of[answer.places[0]] if answer.places else len(columns) - 1
        cells[rows.row_of[wanted], column] += 1
    is_right = np.eye(*cells.shape, dtype=bool)
    if rows.is_mixed:
        is_right[-1] = False
    return _made(pairs, rows, columns, cells, is_right)


def _of_several(pairs: _Pairs, rows: _Rows) -> Counts:
    """Returns what became of each label, in the columns of ``_OF_SEVERAL``."""
    cells = np.zeros((len(rows.names), len(_OF_SEVERAL)), np.int64)
    for answer, wanted in pairs:
        for place, row in enumerate(rows.row_of):
            if place in answer.places:
                column = 0 if place in wanted else 1
            else:
                column = 2 if place in wanted else 3
            cells[row, column] += 1
    is_right = np.tile([True, False, False, True], (len(rows.names), 1))
    return _made(pairs, rows, _OF_SEVERAL, cells, is_right)


def _made(
    pairs: _Pairs, rows: _Rows, columns: tuple[str, ...], cells: np.ndarray, is_right: np.ndarray
) -> Counts:
    return Counts(
        num_examples=len(pairs),
        rows=rows.names,
        columns=columns,
        cells=tuple(map(tuple, cells.tolist())),
        is_right=tuple(map(tuple, is_right.tolist())),
    )
