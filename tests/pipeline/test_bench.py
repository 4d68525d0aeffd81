"""What a benchmark of a bundle tells; what it measures of toy students means nothing."""

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from converters.values.artifact import Arrays, Runner
from converters.values.errors import InputError
from pipeline import bench
from pipeline.benchmark import peers, process
from pipeline.bundle.open import open_bundle
from pipeline.comparison.runtimes import Skipped
from pipeline.running.jobs import WorkerCrash
from pipeline.student.load import Student
from pipeline.student.reference import ReferenceNotFoundError
from tests.command import ROOT, is_running, wait_until
from tests.conftest import TINY_SEQ_LENS, BuiltBundle
from tests.runs import quiet_run

ROW = {"input_ids": np.zeros((1, 4), np.int32)}


class Sleeper:
    """Answers with what it was given, and holds memory; some numbers of tokens bring it down."""

    def __init__(self, num_bytes: int) -> None:
        self._held = np.ones(num_bytes, np.uint8)

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        if inputs["input_ids"].shape[1] == 13:
            os.abort()
        if inputs["input_ids"].shape[1] == 14:
            raise ValueError("fourteen")
        if inputs["input_ids"].shape[1] == 15:
            time.sleep(600)
        return dict(inputs)


def make_sleeper(*, num_bytes: int) -> Runner:
    return Sleeper(num_bytes)


def test_bench_has_a_row_for_each_runtime_and_length(built: BuiltBundle) -> None:
    with open_bundle(built.folder) as opened:
        measured = bench.bench(
            opened,
            names=["pytorch", "litert"],
            num_repetitions=3,
            run=quiet_run(),
        )
    assert [(row.runtime, row.seq_len) for row in measured.rows] == [
        (runtime, seq_len) for seq_len in TINY_SEQ_LENS for runtime in ("pytorch", "litert")
    ]
    assert measured.skipped == ()
    for row in measured.rows:
        assert 0 < row.lower_quartile_ms <= row.latency_ms <= row.upper_quartile_ms
        assert row.cold_start_ms > 0
        assert 0 < row.bare_rss_bytes <= row.peak_rss_bytes
        if row.runtime == "pytorch":
            assert row.ratio_to_pytorch == 1
    of_litert = [row for row in measured.rows if row.runtime == "litert"]
    assert {row.size_bytes for row in of_litert} == {
        (built.folder / "tflite" / "model.tflite").stat().st_size
    }
    latency_ms = {(row.runtime, row.seq_len): row.latency_ms for row in measured.rows}
    assert [row.ratio_to_pytorch for row in of_litert] == pytest.approx(
        [row.latency_ms / latency_ms["pytorch", row.seq_len] for row in of_litert]
    )


@pytest.mark.parametrize(("wanted", "measured"), [
    ((), (16, 32, 64)), ((64, 16), (16, 64)), ((32,), (32,)), ((16, 16), (16,)),
])  # fmt: skip
def test_lengths_are_measured_once_and_ascending(
    wanted: tuple[int, ...], measured: tuple[int, ...]
) -> None:
    assert bench._check_lengths(wanted, (16, 32, 64)) == measured


def test_length_that_the_bundle_has_not_is_refused() -> None:
    with pytest.raises(InputError, match="the bundle has no length 48") as caught:
        bench._check_lengths((16, 48), (16, 32))
    assert caught.value.hint == "choose from 16, 32, or leave out --seq-len"


@pytest.mark.parametrize("with_peers", [False, True])
@pytest.mark.parametrize("names", [(), ("litert",), ("pytorch", "litert")])
def test_without_the_student_what_would_have_run_it_is_skipped_and_nothing_else(
    names: tuple[str, ...], with_peers: bool
) -> None:
    def find() -> Student:
        raise ReferenceNotFoundError("it is gone", hint="name it")

    before = [Skipped(runtime="coreml", reason="elsewhere")]
    student, skipped = bench._find(find, names, before, with_peers=with_peers)
    assert student is None
    told = [each.runtime for each in skipped]
    if with_peers:
        assert told == ["pytorch", "coreml", *peers.RUNTIMES]
    else:
        assert told == (["coreml"] if names == ("litert",) else ["pytorch", "coreml"])


def test_bench_of_one_runtime_has_no_ratio(built: BuiltBundle) -> None:
    with open_bundle(built.folder) as opened:
        measured = bench.bench(
            opened,
            names=["litert"],
            num_repetitions=2,
            run=quiet_run(),
        )
    assert {row.runtime for row in measured.rows} == {"litert"}
    assert {row.ratio_to_pytorch for row in measured.rows} == {None}


def test_seat_memory_above_the_bare_runtime_is_what_the_runner_holds() -> None:
    held = 200_000_000
    with process.seat("sleeper") as taken:
        load = functools.partial(make_sleeper, num_bytes=held)
        arrival = taken.arrive(["numpy"], load, ROW)
        above = taken.peak_rss_bytes() - arrival.bare_rss_bytes
    assert held <= above < 1.2 * held


@pytest.mark.parametrize(
    ("num_tokens", "message"),
    [(13, "sleeper crashed"), (14, "sleeper failed: ValueError: fourteen")],
    ids=["abort", "exception"],
)
def test_seat_whose_runner_fails_says_so(num_tokens: int, message: str) -> None:
    row = {"input_ids": np.zeros((1, num_tokens), np.int32)}
    with process.seat("sleeper") as taken:
        taken.arrive([], functools.partial(make_sleeper, num_bytes=1), ROW)
        assert taken.time_ms(ROW) >= 0
        with pytest.raises(WorkerCrash, match=message):
            taken.time_ms(row)


def test_seat_whose_runner_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"input_ids": np.zeros((1, 15), np.int32)}
    with process.seat("sleeper") as taken:
        taken.arrive([], functools.partial(make_sleeper, num_bytes=1), ROW)
        monkeypatch.setattr(process, "MAX_SECONDS_PER_ROW", 2)
        with pytest.raises(WorkerCrash, match="sleeper hangs: no row in 2 s, so it was ended"):
            taken.time_ms(row)


HOLDER = """
import os
from pipeline.benchmark.process import seat

if __name__ == "__main__":
    with seat("held") as taken:
        print(taken.pid, flush=True)
        input()
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the state of processes from /proc")
def test_seat_whose_caller_is_killed_ends(tmp_path: Path) -> None:
    script = tmp_path / "holder.py"
    script.write_text(HOLDER, encoding="utf-8")
    holder = subprocess.Popen(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    pid = int(holder.stdout.readline())
    assert is_running(pid)
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=30)
    assert wait_until(lambda: not is_running(pid))
