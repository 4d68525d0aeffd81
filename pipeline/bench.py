"""Measures a bundle's artifacts beside the PyTorch student: time by length, start, size, memory.

Each contestant sits in a process of its own, so that its peak memory is its own, and all take
turns call by call, so that what else the machine does falls on all of them alike.
"""

import contextlib
import functools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import converters
from pipeline import bundle, reference, runtimes
from pipeline.bundle import Bundle
from pipeline.precision import Precision
from pipeline.runtimes import PYTORCH, Skipped
from pipeline.seats import Seat, seat
from pipeline.stages import Stages
from pipeline.tokenization import read_tokenizer
from pipeline.values import Arrays, Artifact, Runner

REPETITIONS = 20
"""Calls of each contestant at each length, unless told otherwise."""


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
        ratio_to_pytorch: Of the medians; nothing where PyTorch did not run.
        cold_start_ms: To load and to answer once at the longest length; imports are not counted.
        peak_rss_bytes: The most memory that the process held, which did nothing else.
        bare_rss_bytes: The most of it before anything was loaded: what the runtime itself takes.
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


def bench(
    opened: Bundle,
    *,
    names: Sequence[str] = (),
    named_reference: str | None = None,
    num_repetitions: int = REPETITIONS,
    num_threads: int,
    stages: Stages,
) -> tuple[list[Row], list[Skipped]]:
    """Measures every artifact of a bundle in every runtime, and the PyTorch student.

    Args:
        opened: The bundle.
        names: Runtimes to use, ``pytorch`` among them; none means all that run here.
        named_reference: Where the PyTorch student is, if the user says so.
        num_repetitions: Calls of each contestant at each length, at least two.
        num_threads: For every runtime.
        stages: Told how the work goes.

    Returns:
        A row for each contestant and length, and what could not run.

    Raises:
        PocketBertError: There is nothing here that runs, or what should run fails.
    """
    pairs, skipped = runtimes.choose(names, opened.artifacts)
    contestants = [_of_artifact(artifact, name, num_threads) for artifact, name in pairs]
    if not names or PYTORCH in names:
        try:
            contestants.insert(0, _of_student(opened, named_reference, num_threads))
        except reference.ReferenceNotFoundError as err:
            skipped.insert(0, Skipped(runtime=PYTORCH, reason=f"{err.message}; {err.hint}"))
    if not contestants:
        raise runtimes.nothing_ran(skipped)
    rows = measure(
        contestants, _full_rows(opened), model=opened.manifest.student.name,
        num_repetitions=num_repetitions, num_threads=num_threads, stages=stages,
    )  # fmt: skip
    return rows, skipped


def measure(
    contestants: Sequence[Contestant],
    inputs: Sequence[Arrays],
    *,
    model: str,
    num_repetitions: int,
    num_threads: int,
    stages: Stages,
) -> list[Row]:
    """Lets contestants take turns on rows of several lengths.

    Args:
        contestants: PyTorch in fp32 among them, where ratios are wanted.
        inputs: A row for each length, ascending.
        model: What the rows of the result are called.
        num_repetitions: Calls of each contestant at each length, at least two.
        num_threads: What the contestants were told; it is noted.
        stages: Told how the work goes.
    """
    with contextlib.ExitStack() as stack:
        seats = [stack.enter_context(seat(each.runtime)) for each in contestants]
        with stages.stage("load"):
            arrivals = [
                taken.arrive(each.modules, each.load, inputs[-1])
                for taken, each in zip(seats, contestants, strict=True)
            ]
        with stages.count(num_repetitions * len(inputs)) as counter:
            times_ms = _take_turns(
                seats, inputs, num_repetitions, lambda done: counter.update("rounds", done)
            )
        peaks = [taken.peak_rss_bytes() for taken in seats]
    middles = {key: _middle(each) for key, each in times_ms.items()}
    base = next((at for at, each in enumerate(contestants) if each.runtime == PYTORCH), None)
    return [
        Row(
            model=model,
            runtime=contestant.runtime,
            precision=contestant.precision,
            seq_len=_seq_len(row),
            num_threads=num_threads,
            **middles[place, number],
            ratio_to_pytorch=(
                None
                if base is None
                else middles[place, number]["latency_ms"] / middles[base, number]["latency_ms"]
            ),
            cold_start_ms=arrivals[place].cold_start_ms,
            size_bytes=contestant.size_bytes,
            peak_rss_bytes=peaks[place],
            bare_rss_bytes=arrivals[place].bare_rss_bytes,
        )
        for number, row in enumerate(inputs)
        for place, contestant in enumerate(contestants)
    ]


def _take_turns(
    seats: Sequence[Seat],
    inputs: Sequence[Arrays],
    num_repetitions: int,
    report: Callable[[int], None],
) -> dict[tuple[int, int], list[float]]:
    """Returns milliseconds by seat and length; the first call at a length pays for plans."""
    times_ms: dict[tuple[int, int], list[float]] = {}
    order = range(len(seats))
    for number, row in enumerate(inputs):
        for taken in seats:
            taken.time_ms(row)
        for turn in range(num_repetitions):
            for place in order if turn % 2 == 0 else reversed(order):
                times_ms.setdefault((place, number), []).append(seats[place].time_ms(row))
            report(number * num_repetitions + turn + 1)
    return times_ms


def _middle(times_ms: Sequence[float]) -> dict[str, float]:
    lower, middle, upper = statistics.quantiles(times_ms, n=4, method="inclusive")
    return {"latency_ms": middle, "lower_quartile_ms": lower, "upper_quartile_ms": upper}


def _full_rows(opened: Bundle) -> list[Arrays]:
    """Returns a row of tokens without padding for each length; which tokens is no matter."""
    first = opened.artifacts[0]
    num_tokens = read_tokenizer(opened.folder / "tokenizer").get_vocab_size()
    numbers = np.random.default_rng(0)
    rows: list[Arrays] = []
    for seq_len in first.seq_lens:
        shape = (1, seq_len)
        known = {
            "input_ids": numbers.integers(num_tokens, size=shape, dtype=np.int32),
            "attention_mask": np.ones(shape, np.int32),
            "token_type_ids": np.zeros(shape, np.int32),
        }
        rows.append({spec.name: known[spec.name] for spec in first.inputs})
    return rows


def _seq_len(row: Arrays) -> int:
    return int(row["input_ids"].shape[1])


def _of_artifact(artifact: Artifact, runtime: str, num_threads: int) -> Contestant:
    return Contestant(
        runtime=runtime,
        precision=artifact.precision,
        size_bytes=bundle.size_bytes(artifact.path),
        modules=(f"converters.{artifact.backend}", converters.runtime(runtime).module),
        load=functools.partial(
            runtimes.load_artifact, artifact=artifact, runtime=runtime, num_threads=num_threads
        ),
    )


def _of_student(opened: Bundle, named_reference: str | None, num_threads: int) -> Contestant:
    """Returns the PyTorch student; whether it can be found is seen here, and not over there."""
    student = reference.find(opened, named=named_reference)
    return Contestant(
        runtime=PYTORCH,
        precision="fp32",
        size_bytes=sum(weight.nbytes for weight in student.model.parameters()),
        modules=("torch", "transformers", "pipeline.load"),
        load=functools.partial(
            load_student, opened=opened, named_reference=named_reference, num_threads=num_threads
        ),
    )


def load_student(*, opened: Bundle, named_reference: str | None, num_threads: int) -> Runner:
    """Loads the student as a user of Transformers would run it; called in a seat's process."""
    import torch

    torch.set_num_threads(num_threads)
    student = reference.find(opened, named=named_reference)
    student.model.set_attn_implementation("sdpa")
    return runtimes.StudentRunner(student)
