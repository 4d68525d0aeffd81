"""What answers are worth beside the student's own, on the examples whose labels are known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.comparison.cases import Case
from pipeline.conversion import metrics
from pipeline.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What answers are worth; nothing of it is a number where no label is known.

    Attributes:
        scores: Those of the task, in per cent.
        drop: Percentage points of the score that budgets limit, below the student: less than zero
            where the answers happen to be better.
        drop_interval: The 95 % interval of ``drop``, by a paired bootstrap over examples; not
            numbers where that score is no mean over them.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    drop: float = math.nan
    drop_interval: tuple[float, float] = (math.nan, math.nan)


def worth_of(answers: Sequence[Any], cases: Sequence[Case], *, task: Task) -> Worth:
    """Returns what an artifact's answers are worth.

    Args:
        answers: One for each case.
        cases: What the PyTorch student made of each example.
        task: Scores answers.
    """
    labelled = [pair for pair in zip(cases, answers, strict=True) if pair[0].example.is_labelled]
    if not labelled:
        return Worth()
    own, theirs = (
        [task.worth(answer, case.example) for case, answer in pairs]
        for pairs in ([(case, case.answer) for case, _ in labelled], labelled)
    )
    counted = task.BUDGETED.name
    if {score.name for score in task.SCORES} == theirs[0].keys():  # all are means over examples
        scores = {name: 100 * float(np.mean([each[name] for each in theirs])) for name in own[0]}
    else:
        examples = [case.example for case, _ in labelled]
        scores = task.scores({case.example.id: answer for case, answer in labelled}, examples)
    if counted not in theirs[0]:
        before = task.scores({case.example.id: case.answer for case, _ in labelled}, examples)
        return Worth(scores=scores, drop=before[counted] - scores[counted])
    drops = 100 * np.array(
        [one[counted] - other[counted] for one, other in zip(own, theirs, strict=True)]
    )
    return Worth(
        scores=scores, drop=float(drops.mean()), drop_interval=metrics.paired_interval(drops)
    )
