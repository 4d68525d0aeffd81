"""Contestants in processes of their own, which run the same rows and take turns call by call.

So the peak memory of each is its own, and what else the machine does falls on all of them alike.
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from converters.values.artifact import Arrays, Runner
from converters.values.precision import Precision
from pipeline.benchmark.process import Seat, seat
from pipeline.benchmark.turns import Spread, spread, take_turns
from pipeline.comparison.runtimes import PYTORCH
from pipeline.running.run import Run


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """Something that answers rows.

    Attributes:
        size_bytes: Of the artifact on the disk, or of PyTorch's weights in memory.
        modules: What its runtime is made of, which does not count as the model's memory.
        load: Makes the runner, in a process of its own.
    """

    runtime: str
    precision: Precision
    size_bytes: int
    modules: tuple[str, ...]
    load: Callable[[], Runner]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contestant at one length.

    Attributes:
        model: The student's name.
        seq_len: Tokens of the row; none is padding.
        latency_ms: The median of the warm calls.
        lower_quartile_ms: Half of the warm calls lie between this and the upper quartile.
        ratio_to_pytorch: Of the medians; None where PyTorch did not run.
        cold_start_ms: To load and to answer once at the longest length; imports are not counted.
        peak_rss_bytes: The most memory that the process held, which did nothing else.
        bare_rss_bytes: The most of it before anything was loaded: what the runtime itself takes.
        roofline_share: Of the best rate of matrix products that this machine has reached; None
            where it was not measured.
    """

    model: str
    runtime: str
    precision: Precision
    seq_len: int
    num_threads: int
    latency_ms: float
    lower_quartile_ms: float
    upper_quartile_ms: float
    ratio_to_pytorch: float | None
    cold_start_ms: float
    size_bytes: int
    peak_rss_bytes: int
    bare_rss_bytes: int
    roofline_share: float | None = None


def measure(
    contestants: Sequence[Contestant],
    inputs: Sequence[Arrays],
    *,
    model: str,
    num_repetitions: int,
    run: Run,
) -> list[Row]:
    """Lets contestants take turns on rows of several lengths.

    Args:
        contestants: PyTorch in fp32 among them, where ratios are wanted.
        inputs: A row for each length, ascending.
        model: What the rows of the result are called.
        num_repetitions: Calls of each contestant at each length, at least two.
        run: Its threads, cache and progress.
    """
    with contextlib.ExitStack() as stack:
        seats = [stack.enter_context(seat(each.runtime)) for each in contestants]
        with run.stage("load"):
            arrivals = [
                taken.arrive(each.modules, each.load, inputs[-1])
                for taken, each in zip(seats, contestants, strict=True)
            ]
        with run.progress.bars({"rounds": num_repetitions * len(inputs)}) as update:
            spreads = _take_turns(
                seats, inputs, num_repetitions, lambda done: update("rounds", done)
            )
        peaks = [taken.peak_rss_bytes() for taken in seats]
    base = next((at for at, each in enumerate(contestants) if each.runtime == PYTORCH), None)
    return [
        Row(
            model=model,
            runtime=contestant.runtime,
            precision=contestant.precision,
            seq_len=seq_len(row),
            num_threads=run.num_threads,
            latency_ms=found[place].median,
            lower_quartile_ms=found[place].lower_quartile,
            upper_quartile_ms=found[place].upper_quartile,
            ratio_to_pytorch=None if base is None else found[place].median / found[base].median,
            cold_start_ms=arrivals[place].cold_start_ms,
            size_bytes=contestant.size_bytes,
            peak_rss_bytes=peaks[place],
            bare_rss_bytes=arrivals[place].bare_rss_bytes,
        )
        for row, found in zip(inputs, spreads, strict=True)
        for place, contestant in enumerate(contestants)
    ]


def full_rows(
    input_names: Sequence[str], seq_lens: Sequence[int], *, num_tokens: int
) -> list[Arrays]:
    """Returns a row of tokens without padding for each length; which tokens is no matter.

    Args:
        input_names: What the encoder takes.
        seq_lens: Tokens of each row.
        num_tokens: Of the vocabulary.
    """
    numbers = np.random.default_rng(0)
    rows: list[Arrays] = []
    for each in seq_lens:
        known = {
            "input_ids": numbers.integers(num_tokens, size=(1, each), dtype=np.int32),
            "attention_mask": np.ones((1, each), np.int32),
            "token_type_ids": np.zeros((1, each), np.int32),
        }
        rows.append({name: known[name] for name in input_names})
    return rows


def seq_len(row: Arrays) -> int:
    """Returns the tokens of a row."""
    return int(row["input_ids"].shape[1])


def _take_turns(
    seats: Sequence[Seat],
    inputs: Sequence[Arrays],
    num_repetitions: int,
    report: Callable[[int], None],
) -> list[list[Spread]]:
    """Returns milliseconds by length and seat; the first call at a length pays for plans."""
    found = []
    for number, row in enumerate(inputs):
        for taken in seats:
            taken.time_ms(row)
        before = number * num_repetitions
        times_ms = take_turns(
            {place: functools.partial(taken.time_ms, row) for place, taken in enumerate(seats)},
            num_repetitions=num_repetitions,
            report=functools.partial(_shifted, report, before),
        )
        found.append([spread(times_ms[place]) for place in range(len(seats))])
    return found


def _shifted(report: Callable[[int], None], before: int, done: int) -> None:
    report(before + done)
