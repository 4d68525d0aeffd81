"""Rounds weights to integers such that what the layer computes changes least.

Plain rounding makes each weight's own error small. At four bits that is not enough: one layer's
errors add up over its hundreds of columns. Inputs are correlated, though, so that the error of one
column can be made good for in others.
"""

import numpy as np

DAMPING = 0.01
"""Of the mean second moment, added to all: a column that hardly varied in the calibration texts may
vary elsewhere."""

_BLOCK = 32
"""Columns whose errors are collected before they go into the columns after them."""

_CLIPPED = tuple(np.linspace(1.0, 0.5, 26).tolist())
"""Shares of a group's largest value that are tried as the largest that integers reach."""


def search_scales(grouped: np.ndarray, *, largest: int, importance: np.ndarray) -> np.ndarray:
    """Returns the scales at which plain rounding loses least, which may clip the largest values.

    Args:
        grouped: ``(rows, groups, group) float32``.
        largest: Integer.
        importance: ``(groups, group) float64``, the weight of each column's squared error.

    Returns:
        ``(rows, groups) float32``, zero for a group of zeros.

    Source: Choukroun et al. 2019, "Low-bit Quantization of Neural Networks for Efficient Inference"
    (arXiv 1902.06822), the scale of least squared error, here by trial and with weighted columns.
    """
    reach = np.abs(grouped).max(axis=2)  # (rows, groups)
    best: np.ndarray = np.zeros_like(reach)
    least = np.full_like(reach, np.inf)
    for share in _CLIPPED:
        scales = reach * np.float32(share / largest)
        steps = np.where(scales > 0, scales, 1)[:, :, None]
        rounded = np.round(grouped / steps).clip(-largest, largest) * steps
        loss = (np.square(grouped - rounded) * importance).sum(axis=2)
        best = np.where(loss < least, scales, best)
        least = np.minimum(loss, least)
    return best


def round_with_compensation(
    weight: np.ndarray, scales: np.ndarray, *, largest: int, second_moment: np.ndarray
) -> np.ndarray:
    """Rounds column by column; the columns still to come make good for the error so far.

    Columns whose inputs are largest go first, for theirs is the error that costs most, and the most
    columns are left to make good for it.

    Args:
        weight: ``(rows, columns) float32``.
        scales: ``(rows, columns) float32``, positive.
        largest: Integer.
        second_moment: ``(columns, columns)``, the mean of the inputs' outer products.

    Returns:
        ``(rows, columns) int8``. No row has a larger expected squared error, the damping counted
        in, than plain rounding to these scales gives it.

    Source: Frantar et al. 2022, "GPTQ" (arXiv 2210.17323), section 3.3, with the order of columns
    that its code calls ``act_order``.
    """
    moment = _damped(second_moment)
    order = np.argsort(-np.diag(moment), kind="stable")
    factor = _inverse_factor(moment[np.ix_(order, order)])  # (columns, columns), upper
    left = weight[:, order].astype(np.float64)  # what is still to be represented
    steps = scales[:, order].astype(np.float64)
    rounded = np.zeros_like(left)
    for begin in range(0, left.shape[1], _BLOCK):
        end = min(begin + _BLOCK, left.shape[1])
        errors = np.zeros((len(left), end - begin))
        for column in range(begin, end):
            step = steps[:, column]
            rounded[:, column] = np.round(left[:, column] / step).clip(-largest, largest)
            error = (left[:, column] - rounded[:, column] * step) / factor[column, column]
            left[:, column:end] -= np.outer(error, factor[column, column:end])
            errors[:, column - begin] = error
        left[:, end:] -= errors @ factor[begin:end, end:]
    compensated = np.empty_like(rounded)
    compensated[:, order] = rounded
    plain = np.round(weight / scales).clip(-largest, largest)
    is_worse = _loss(weight - compensated * scales, moment) > _loss(weight - plain * scales, moment)
    return np.where(is_worse[:, None], plain, compensated).astype(np.int8)


def _damped(second_moment: np.ndarray) -> np.ndarray:
    moment = second_moment.astype(np.float64)
    damping = DAMPING * float(np.diag(moment).mean())
    # Where all inputs were zero, every column counts the same.
    return moment + (damping if damping > 0 else 1.0) * np.eye(len(moment))


def _inverse_factor(moment: np.ndarray) -> np.ndarray:
    """Returns the upper triangle ``u`` for which ``u.T @ u`` is the inverse of a matrix."""
    # Reversing both axes swaps upper and lower, so one factorization and no inverse of an inverse.
    lower = np.linalg.cholesky(moment[::-1, ::-1])
    inverse: np.ndarray = np.linalg.inv(lower)[::-1, ::-1]
    return inverse


def _loss(errors: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Returns the expected squared error of each row's output, ``(rows,)``."""
    loss: np.ndarray = np.einsum("rc,rc->r", errors @ moment, errors)
    return loss
