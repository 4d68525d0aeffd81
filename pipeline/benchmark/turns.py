"""Repetitions that take turns, so that what else a machine does falls on all alike; their spread.

It imports no framework: the command line reads its default from here.
"""

import statistics
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

REPETITIONS = 20
"""Calls of each contestant of a benchmark at each length, unless told otherwise."""

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The middle of a number of measurements, and where half of them lie."""

    median: float
    lower_quartile: float
    upper_quartile: float

    def __format__(self, form: str) -> str:
        lower, upper = format(self.lower_quartile, form), format(self.upper_quartile, form)
        return f"{self.median:{form}} ({lower} to {upper})"


def spread(values: Sequence[float]) -> Spread:
    """Returns median and quartiles of at least two values."""
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median=median, lower_quartile=lower, upper_quartile=upper)


def take_turns(
    calls: Mapping[_Key, Callable[[], float]],
    *,
    num_repetitions: int,
    report: Callable[[int], None] = lambda done: None,
) -> dict[_Key, list[float]]:
    """Calls each once a turn, every other turn in reverse, and returns what the calls returned.

    Args:
        calls: Each returns how long it took. Warm them up before.
        num_repetitions: Turns.
        report: Called with how many turns are done.
    """
    times: dict[_Key, list[float]] = {key: [] for key in calls}
    order = list(calls)
    for turn in range(num_repetitions):
        for key in order:
            times[key].append(calls[key]())
        order.reverse()
        report(turn + 1)
    return times
