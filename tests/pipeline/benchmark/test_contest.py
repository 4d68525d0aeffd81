"""Whose calls are counted, at which length, and against whom."""

import numpy as np

from converters.values.artifact import Arrays
from pipeline.benchmark.contest import Spread, _take_turns, full_rows, seq_len

COLD_MS = 1000.0


class Warming:
    """A seat whose first call at each length is slow; later ones take its own time."""

    def __init__(self, name: str, own_ms: float, log: list[tuple[str, int]]) -> None:
        self._name, self._own_ms, self._log = name, own_ms, log

    def time_ms(self, row: Arrays) -> float:
        asked = (self._name, seq_len(row))
        is_first = asked not in self._log
        self._log.append(asked)
        return COLD_MS if is_first else self._own_ms + seq_len(row)


def test_first_call_at_each_length_is_not_counted_and_all_take_turns() -> None:
    log: list[tuple[str, int]] = []
    told: list[int] = []
    seats = [Warming("a", 1.0, log), Warming("b", 2.0, log)]
    rows = full_rows(["input_ids"], [8, 16], num_tokens=9)
    found = _take_turns(seats, rows, 2, told.append)  # type: ignore[arg-type]
    for number, length in enumerate((8, 16)):
        medians = [each.median for each in found[number]]
        assert medians == [length + 1.0, length + 2.0]
        assert all(each.upper_quartile < COLD_MS for each in found[number])
    assert [name for name, length in log if length == 8] == ["a", "b", "a", "b", "b", "a"]
    assert told == [1, 2, 3, 4]
    assert all(isinstance(each, Spread) for each in found[0])


def test_full_rows_are_of_known_tokens_and_hold_no_padding() -> None:
    names = ["input_ids", "token_type_ids", "attention_mask"]
    rows = full_rows(names, [4, 400], num_tokens=7)
    for row, length in zip(rows, (4, 400), strict=True):
        assert list(row) == names
        assert seq_len(row) == length
        assert all(each.shape == (1, length) for each in row.values())
        assert all(each.dtype == np.int32 for each in row.values())
        assert row["attention_mask"].all()
        assert not row["token_type_ids"].any()
        assert 0 <= row["input_ids"].min() <= row["input_ids"].max() < 7
    assert len(np.unique(rows[1]["input_ids"])) == 7
    assert list(full_rows(["input_ids"], [4], num_tokens=7)[0]) == ["input_ids"]
