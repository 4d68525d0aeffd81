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
    length = float(np.linalg.norm(reference))
    return float(np.linalg.norm(actual - reference)) / length if length else math.nan


def cosine(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the cosine of the angle between two arrays taken as vectors."""
    lengths = float(np.linalg.norm(actual)) * float(np.linalg.norm(reference))
    return float(actual.ravel() @ reference.ravel()) / lengths if lengths else math.nan


def snr_db(*, actual: np.ndarray, reference: np.ndarray) -> float:
    """Returns the power of the reference over that of the difference, in decibels."""
    noise = float(np.square(actual - reference).sum())
    signal = float(np.square(reference).sum())
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


def paired_interval(losses: np.ndarray) -> tuple[float, float]:
    """Returns the ends of the 95 % interval of the mean of ``(questions,)`` paired differences.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    random = np.random.default_rng(0)
    chosen = random.integers(0, len(losses), (NUM_RESAMPLES, len(losses)))
    low, high = np.percentile(losses[chosen].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max()
    log_probabilities: np.ndarray = shifted - np.log(np.exp(shifted).sum())
    return log_probabilities
