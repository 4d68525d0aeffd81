"""Answers and times go to the examples that their rows are of."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.ask import _decode
from pipeline.comparison.runtimes import Results
from pipeline.tasks.task import Encoded, Outputs, Row


@dataclass(frozen=True)
class Sum:
    """A task whose answer is the sum of its rows."""

    def decode(self, encoded: Encoded, outputs: list[Outputs]) -> Any:
        assert len(outputs) == len(encoded.rows)
        return sum(float(each["logits"].sum()) for each in outputs)


def encoded(num_rows: int) -> Encoded:
    row = Row(inputs={"input_ids": np.zeros((1, 4), np.int32)}, first=1, offsets=())
    return Encoded(texts={}, rows=(row,) * num_rows)


def test_each_example_has_the_answer_and_the_time_of_all_its_rows() -> None:
    results = Results(
        outputs=[{"logits": np.full((1, 4), 10.0**place)} for place in range(6)],
        latency_ms=[1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
    )
    asked = _decode("litert", [encoded(1), encoded(3), encoded(2)], results, Sum())  # type: ignore[arg-type]
    assert asked.runtime == "litert"
    assert asked.answers == [4.0, 4_440.0, 440_000.0]
    assert asked.latency_ms == [1.0, 14.0, 48.0]
