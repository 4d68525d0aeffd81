"""Repetitions take turns, and their spread is that of the values themselves."""

import pytest

from pipeline.benchmark.turns import Spread, spread, take_turns


@pytest.mark.parametrize(("values", "lower", "median", "upper"), [
    ([5, 1, 4, 2, 3], 2, 3, 4), ([1, 3], 1.5, 2, 2.5), ([7, 7, 7], 7, 7, 7),
    ([1, 2, 3, 100], 1.75, 2.5, 27.25),
])  # fmt: skip
def test_spread_is_median_and_quartiles_between_least_and_largest(
    values: list[float], lower: float, median: float, upper: float
) -> None:
    found = spread(values)
    assert found == Spread(median=median, lower_quartile=lower, upper_quartile=upper)
    assert f"{found:.1f}" == f"{median:.1f} ({lower:.1f} to {upper:.1f})"


def test_every_other_turn_goes_back_and_each_key_keeps_its_own_times() -> None:
    asked: list[str] = []
    told: list[int] = []

    def call(name: str) -> float:
        asked.append(name)
        return float(len(asked))

    calls = {name: lambda name=name: call(name) for name in "abc"}
    times = take_turns(calls, num_repetitions=3, report=told.append)
    assert "".join(asked) == "abccbaabc"
    assert times == {"a": [1, 6, 7], "b": [2, 5, 8], "c": [3, 4, 9]}
    assert told == [1, 2, 3]
