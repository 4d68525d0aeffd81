"""How far one array is from another; arguments go by name, for swapped ones would mislead."""

import math

import numpy as np

NUM_RESAMPLES = 10_000


def max_abs_diff(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the largest absolute difference."""
    return float(np.abs(actual - reference).max())


def mean_abs_diff(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the mean absolute difference."""
    return float(np.abs(actual - reference).mean())


def relative_error(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the length of the difference over that of the reference, both taken as vectors."""
    length = _length(reference)
    return _length(actual - reference) / length if length else math.nan


def cosine(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the cosine of the angle between two arrays taken as vectors."""
    lengths = _length(actual) * _length(reference)
    return (
        _total(np.multiply(actual, reference, dtype=np.float64)) / lengths if lengths else math.nan
    )


def snr_db(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the power of the reference over that of the difference, in decibels."""
    noise, signal = _total(np.square(actual - reference)), _total(np.square(reference))
    if noise == 0:
        return math.inf
    if signal == 0 or math.isinf(noise):
        return -math.inf
    return 10 * (math.log10(signal) - math.log10(noise))


def rms_diff(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the root mean square of the difference."""
    return math.sqrt(float(np.square(actual - reference).mean()))


def kl_divergence(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns how far the softmax of some logits is from that of the reference's, in nats.

    It is the Kullback-Leibler divergence of the actual distribution from the reference one.

    Args:
        actual: ``(classes,)`` logits.
        reference: ``(classes,)`` logits.
    """
    log_actual, log_reference = _log_softmax(actual), _log_softmax(reference)
    # Rounding may leave a sum of nothing a little below zero.
    return max(float((np.exp(log_reference) * (log_reference - log_actual)).sum()), 0.0)


def kl_divergence_of_each(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the sum of what ``kl_divergence`` says of each logit's own yes and no, in nats.

    Args:
        actual: ``(labels,)`` logits.
        reference: ``(labels,)`` logits.
    """
    # The logits of "yes" and "no" are x and 0: their softmax is the sigmoid of x.
    pairs = (np.stack([each, np.zeros_like(each)], axis=1) for each in (actual, reference))
    return sum(
        kl_divergence(actual=one, reference=other) for one, other in zip(*pairs, strict=True)
    )


def paired_interval(losses: np.ndarray) -> tuple[float, float]:
    """Returns the ends of the 95 % interval of the mean of ``(questions,)`` paired differences.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    random = np.random.default_rng(0)
    chosen = random.integers(0, len(losses), (NUM_RESAMPLES, len(losses)))
    low, high = np.percentile(losses[chosen].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def _length(values: np.ndarray) -> float:
    return math.sqrt(_total(np.square(values, dtype=np.float64)))


def _total(values: np.ndarray) -> float:
    """Returns a sum that is the same on any number of threads.

    NumPy adds in pairs; BLAS, which its products and norms call, gives each thread a part.
    """
    return float(values.sum(dtype=np.float64))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max()
    log_probabilities: np.ndarray = shifted - np.log(np.exp(shifted).sum())
    return log_probabilities
