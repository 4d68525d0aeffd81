import math

import pytest

from converters.values.errors import InputError
from pipeline.quantization.budget import Budget, asked_budget


def test_asked_budget_counts_megabytes_of_ten_to_the_six_bytes():
    assert asked_budget(max_size_mb=14.5, max_score_drop=1) == Budget(
        max_size_bytes=14_500_000, max_score_drop=1
    )


def test_asked_budget_of_no_options_limits_nothing():
    assert asked_budget() == Budget()
    assert math.isinf(asked_budget(max_score_drop=0).max_size_bytes)


@pytest.mark.parametrize("numbers", [(2.0, None), (None, 2.0), (2.0, 2.0)])
def test_asked_budget_takes_either_name_of_the_score_drop(numbers):
    newer, older = numbers
    assert asked_budget(max_score_drop=newer, max_f1_drop=older).max_score_drop == 2.0


@pytest.mark.parametrize("numbers", [(2.0, 1.0), (0.0, 1.0), (1.0, 0.0)])
def test_asked_budget_refuses_two_numbers_for_one_limit(numbers):
    newer, older = numbers
    with pytest.raises(InputError, match="two names of one limit") as caught:
        asked_budget(max_score_drop=newer, max_f1_drop=older)
    assert caught.value.hint == "leave out --max-f1-drop"


@pytest.mark.parametrize("limit", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["max_size_mb", "max_score_drop", "max_f1_drop"])
def test_asked_budget_refuses_what_limits_nothing(name, limit):
    with pytest.raises(InputError, match="is no limit"):
        asked_budget(**{name: limit})


def test_asked_budget_that_a_search_needs_is_asked_for():
    with pytest.raises(InputError, match="--precision auto needs a budget"):
        asked_budget(is_needed=True)
    assert asked_budget(is_needed=True, max_f1_drop=1).limits_answers
