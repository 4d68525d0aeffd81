"""Whole numbers that choose: positions of the best scores, which noise may exchange.

Two scores that lie closer than the noise of a precision have no right order. So an output of
positions is not compared by its numbers alone: the scores that the PyTorch program chose by are
kept, and another position whose score is as good by them is a near tie.
"""

from dataclasses import dataclass

import numpy as np

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


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One output of a program, and the scores behind it where it holds positions."""

    array: np.ndarray
    choice: Choice | None = None


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
