import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.conversion.metrics import (
    cosine,
    kl_divergence,
    max_abs_diff,
    mean_abs_diff,
    paired_interval,
    relative_error,
    rms_diff,
    snr_db,
)
from pipeline.running.threads import one_thread


def test_max_abs_diff_by_hand():
    actual, reference = np.array([1.0, -2.0, 3.0]), np.array([1.5, 1.0, 3.0])
    assert max_abs_diff(actual=actual, reference=reference) == 3.0


def test_metrics_give_the_same_bits_on_any_number_of_threads():
    random = np.random.default_rng(0)
    reference = random.standard_normal(200_001)
    actual = reference + 0.1 * random.standard_normal(len(reference))

    def measured(num_threads: int) -> list[float]:
        with threadpool_limits(limits=num_threads, user_api="blas"):
            return [
                metric(actual=actual, reference=reference)
                for metric in (cosine, relative_error, snr_db, rms_diff, mean_abs_diff)
            ]

    assert measured(1) == measured(2) == measured(3)


def test_one_thread_holds_for_the_block_alone():
    def blas_threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    with threadpool_limits(limits=2, user_api="blas"):
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            with pytest.raises(KeyError), one_thread():
                assert (torch.get_num_threads(), blas_threads()) == (1, {1})
                raise KeyError
            assert (torch.get_num_threads(), blas_threads()) == (2, {2})
        finally:
            torch.set_num_threads(before)


def test_cosine_by_hand():
    assert cosine(actual=np.array([3.0, 4.0]), reference=np.array([4.0, 3.0])) == pytest.approx(
        0.96
    )
    assert cosine(actual=np.array([1.0, 0.0]), reference=np.array([0.0, 2.0])) == 0.0
    assert cosine(actual=np.array([-2.0]), reference=np.array([5.0])) == -1.0


def test_cosine_of_nothing_is_not_a_number():
    assert math.isnan(cosine(actual=np.zeros(3), reference=np.ones(3)))


def test_snr_by_hand():
    # Power 100 over power 1 is 20 dB, and the noise is that of the actual values.
    assert snr_db(actual=np.array([9.0]), reference=np.array([10.0])) == pytest.approx(20.0)
    assert snr_db(actual=np.array([10.0]), reference=np.array([9.0])) == pytest.approx(
        20 * math.log10(9)
    )
    assert snr_db(actual=np.array([0.0, 3.0]), reference=np.array([4.0, 3.0])) == pytest.approx(
        10 * math.log10(25 / 16)
    )


def test_snr_at_the_ends_of_its_range():
    ones, zeros = np.ones(3), np.zeros(3)
    assert snr_db(actual=ones, reference=ones) == math.inf
    assert snr_db(actual=ones, reference=zeros) == -math.inf
    assert snr_db(actual=np.array([math.inf]), reference=np.array([1.0])) == -math.inf
    assert math.isnan(snr_db(actual=np.array([math.nan]), reference=np.array([1.0])))


def test_mean_rms_and_relative_difference_by_hand():
    both = {"actual": np.array([4.0, 4.0]), "reference": np.array([3.0, 4.0])}
    assert mean_abs_diff(**both) == 0.5
    assert rms_diff(**both) == pytest.approx(math.sqrt(0.5))
    assert relative_error(**both) == pytest.approx(0.2)


def test_relative_error_to_nothing_is_not_a_number():
    assert math.isnan(relative_error(actual=np.ones(2), reference=np.zeros(2)))


@given(st.lists(st.tuples(*[st.floats(-20, 20)] * 2), min_size=1, max_size=30))
def test_kl_divergence_is_that_of_scipy(logits):
    actual, reference = np.array(logits).T
    probabilities = [np.exp(each) / np.exp(each).sum() for each in (reference, actual)]
    expected = stats.entropy(*probabilities)
    assert kl_divergence(actual=actual, reference=reference) == pytest.approx(expected, abs=1e-9)
    assert kl_divergence(actual=actual + 3.0, reference=actual) == pytest.approx(0, abs=1e-9)


def test_paired_interval_holds_the_mean_and_is_that_of_scipy():
    losses = np.random.default_rng(1).normal(1.0, 5.0, 200)
    low, high = paired_interval(losses)
    expected = stats.bootstrap(
        (losses,), np.mean, n_resamples=10_000, method="percentile", random_state=2
    ).confidence_interval
    assert low < losses.mean() < high
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.05)


def test_paired_interval_of_no_differences_is_nothing():
    assert paired_interval(np.zeros(10)) == (0.0, 0.0)
