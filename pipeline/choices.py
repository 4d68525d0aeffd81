"""Whole numbers that choose: positions of the best scores, which noise may exchange.

Two scores that lie closer than the noise of a precision have no right order. So an output of
positions is not compared by its numbers alone: the scores that the PyTorch program chose by are
kept, and another position whose score is as good by them is a near tie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

NEAR_TIE_DEVIATIONS = 3
"""Standard deviations of noise that two scores may differ by and still be as good."""
_STEPS = {"fp32": 2.0**-22, "fp16": 2.0**-10}
"""Of a score by its size: two roundings of half a step each."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The scores behind an output of positions.

    Attributes:
        scores: Any shape.
        axis: That the positions count along.
    """

    scores: np.ndarray
    axis: int

    @classmethod
    def among_all(cls, scores: np.ndarray) -> "Choice":
        """Returns the choice of one of all scores."""
        return cls(scores=scores.reshape(-1), axis=0)

    def in_rows(self, positions: np.ndarray) -> np.ndarray:
        """Returns positions as ``(rows, chosen)``, a row for each choice.

        They come in the order that they were chosen in, whatever their shape became.
        """
        outer = (*self.scores.shape[: self.axis], *self.scores.shape[self.axis + 1 :])
        shape = (*self.scores.shape[: self.axis], -1, *self.scores.shape[self.axis + 1 :])
        rows = np.moveaxis(positions.reshape(shape), self.axis, -1)
        return rows.reshape(int(np.prod(outer)), -1)

    def score_rows(self) -> np.ndarray:
        """Returns the scores as ``(rows, scores)``."""
        return np.moveaxis(self.scores, self.axis, -1).reshape(-1, self.scores.shape[self.axis])


def settle(
    actual: np.ndarray, expected: np.ndarray, *, choice: Choice, precision: str, snr_db: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Takes another position than the expected one for it where its score is as good.

    Args:
        actual: Positions.
        expected: Positions, the shape of ``actual``.
        choice: Behind the expected ones.
        precision: Of what chose ``actual``.
        snr_db: Of the scores that ``actual`` was chosen by, in decibels.

    Returns:
        Actual and expected positions, ``(rows, chosen)``, and how many were near ties. Where a
        position is out of range, or chosen twice, none is.
    """
    chosen, wanted = choice.in_rows(actual), choice.in_rows(expected)
    scores = choice.score_rows()
    if not (_are_in(chosen, scores.shape[1]) and _are_distinct(chosen)):
        return chosen, wanted, 0
    chosen_scores = np.take_along_axis(scores, chosen.astype(np.int64), 1)
    wanted_scores = np.take_along_axis(scores, wanted.astype(np.int64), 1)
    finite = scores[np.isfinite(scores)]
    noise = np.sqrt(np.square(finite).mean()) * 10 ** (-snr_db / 20) if finite.size else 0.0
    step = _STEPS.get(precision, _STEPS["fp16"]) * np.abs(wanted_scores)
    # Equal infinities differ by what is no number.
    with np.errstate(invalid="ignore"):
        is_close = np.abs(chosen_scores - wanted_scores) <= NEAR_TIE_DEVIATIONS * noise + step
    near = (is_close | (chosen_scores == wanted_scores)) & (chosen != wanted)
    return np.where(near, wanted, chosen), wanted, int(near.sum())


def _are_in(positions: np.ndarray, size: int) -> bool:
    return bool(((positions >= 0) & (positions < size)).all())


def _are_distinct(rows: np.ndarray) -> bool:
    return all(len(np.unique(row)) == len(row) for row in rows)


class ChoiceRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps, while a program runs, the scores behind each tensor of positions."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._found: dict[int, tuple[torch.Tensor, Choice]] = {}

    def of(self, positions: Any) -> Choice | None:
        """Returns the choice behind a tensor, or None if it holds other numbers."""
        kept = self._found.get(id(positions))
        return kept[1] if kept else None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Runs an operator; what it chose is kept, and handed on where numbers stay in order."""
        given = kwargs or {}
        result = func(*args, **given)
        if str(func) in _CHOOSERS:
            positions = result[-1] if isinstance(result, tuple | list) else result
            self._keep(positions, _choice(func, args, given))
        elif func._schema.name in _IN_ORDER and (choice := self.of(args[0])) is not None:
            self._keep(result, choice)
        return result

    def _keep(self, positions: torch.Tensor, choice: Choice) -> None:
        # The tensor is kept, too: another with its id would be taken for it.
        self._found[id(positions)] = (positions, choice)


_CHOOSERS = frozenset({
    "aten.topk.default", "aten.sort.default", "aten.sort.stable", "aten.argsort.default",
    "aten.argsort.stable", "aten.argmax.default", "aten.argmin.default", "aten.max.dim",
    "aten.min.dim",
})  # fmt: skip
_IN_ORDER = frozenset(
    f"aten::{name}" for name in (
        "_to_copy", "clone", "alias", "detach", "view", "_unsafe_view", "squeeze", "unsqueeze",
        "lift_fresh", "lift_fresh_copy", "_reshape_alias",
    )
)  # fmt: skip
"""Operators that give the numbers they take, in the same order."""


def _choice(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Choice:
    """Returns the scores and the axis of an operator that chooses."""
    arguments = func._schema.arguments
    given = {each.name: each.default_value for each in arguments if each.has_default_value()}
    given.update(zip((each.name for each in arguments), args, strict=False))
    given.update(kwargs)
    scores = given["self"].detach().double().numpy().copy()
    if given["dim"] is None or not scores.ndim:
        return Choice.among_all(scores)
    return Choice(scores=scores, axis=given["dim"] % scores.ndim)
