"""Real processes: each is a new interpreter, so jobs that belong together share a run."""

import errno
import multiprocessing.spawn
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from converters.values.errors import InputError, StorageError
from pipeline.running.jobs import Job, Outcome, WorkerCrash, report, run_jobs
from pipeline.running.processes import memory_bytes
from tests.command import ROOT, is_running, wait_until

pytestmark = pytest.mark.cold  # how processes begin is what is tested


def add(*, left: int, right: int) -> int:
    report(1)
    report(2)
    return left + right


def tell_pid() -> int:
    return os.getpid()


def hold_memory(*, num_bytes: int) -> int:
    return len(b"\1" * num_bytes)


def chatter() -> str:
    sys.stdout.write("python on stdout\n")
    sys.stderr.write("python on stderr\n")
    os.write(1, b"native on stdout\n")
    os.write(2, b"native on stderr\n")
    subprocess.run(["echo", "a grandchild"], check=True)
    return "quiet"


def abort() -> None:
    os.write(2, b"terminate called: tensor on fire\n")
    os.abort()


def leave(*, code: int) -> None:
    os._exit(code)


def take_all_memory() -> int:
    return len(bytearray(memory_bytes() + 1))


def take_all_memory_in_torch() -> int:
    import torch

    return torch.empty(memory_bytes() + 1, dtype=torch.uint8).numel()


def report_then_hang() -> None:
    for done in range(1, 4):
        time.sleep(0.5)
        report(done)
    time.sleep(600)


def stop_itself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stumble() -> None:
    raise ZeroDivisionError("divided by zero\nand a second line")


def be_refused() -> None:
    raise InputError("no such model", hint="give another")


def fill_the_disk(*, number: int) -> None:
    raise OSError(number, os.strerror(number), "/full/model.pte")


def return_what_cannot_travel() -> Any:
    return lambda: None


def break_off() -> None:
    """Dies while it sends: the other side has read a length and waits for that many bytes."""
    import gc
    from multiprocessing.connection import Connection

    (pipe,) = (each for each in gc.get_objects() if isinstance(each, Connection) and each.writable)
    os.write(pipe.fileno(), (1000).to_bytes(4, "big") + b"begun")
    os._exit(0)


def sleep(*, pid_file: Path) -> None:
    pid_file.write_text(str(os.getpid()))
    time.sleep(600)


def job(function: Any, **arguments: Any) -> Job:
    return Job(name=function.__name__, function=function, arguments=arguments)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """What came of jobs that end in every way, two at a time."""
    jobs = [
        job(add, left=2, right=3), job(abort), job(leave, code=3), job(be_killed), job(stumble),
        job(be_refused), job(fill_the_disk, number=errno.ENOSPC), job(return_what_cannot_travel),
        job(break_off), job(take_all_memory), job(take_all_memory_in_torch),
    ]  # fmt: skip
    found = run_jobs(jobs, max_parallel=2)
    assert [outcome.name for outcome in found] == [each.name for each in jobs]
    return {outcome.name: outcome for outcome in found}


def test_run_job_that_returns_gives_its_value(outcomes):
    outcome = outcomes["add"]
    assert (outcome.get(), outcome.error) == (5, None)
    assert 0 < outcome.seconds < 60
    assert 10**6 < outcome.peak_rss_bytes < 10**9


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("abort", "abort crashed (signal SIGABRT): terminate called: tensor on fire"),
        ("leave", "leave crashed (exit code 3)"),
        ("be_killed", "be_killed crashed (signal SIGKILL)"),
        ("stumble", "stumble failed: ZeroDivisionError: divided by zero"),
        ("break_off", "break_off crashed (exit code 0)"),
    ],
)
def test_run_job_that_crashes_is_told_in_one_line(outcomes, name, message):
    error = outcomes[name].error
    assert isinstance(error, WorkerCrash)
    assert error.message == message
    assert error.exit_code == 70
    assert ("memory" if name == "be_killed" else "pocketbert doctor") in error.hint
    with pytest.raises(WorkerCrash, match=name):
        outcomes[name].get()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep to this limit")
@pytest.mark.parametrize("name", ["take_all_memory", "take_all_memory_in_torch"])
def test_run_job_that_asks_for_more_memory_than_the_machine_has_is_told(outcomes, name):
    error = outcomes[name].error
    assert isinstance(error, WorkerCrash)
    assert error.message == f"{name} needs more memory than there is: {memory_bytes() / 1e9:.0f} GB"
    assert "more memory" in error.hint


def test_run_job_that_hangs_or_is_stopped_is_ended_and_those_after_it_run():
    before = set(multiprocessing.active_children())
    progress: list[int] = []
    jobs = [
        Job(name="hang", function=report_then_hang, arguments={}, max_silent_seconds=10),
        Job(name="stop", function=stop_itself, arguments={}, max_silent_seconds=5),
        job(add, left=2, right=3),
    ]
    hung, stopped, after = run_jobs(
        jobs, max_parallel=2, on_progress=lambda name, done: progress.append(done)
    )
    assert progress == [1, 2, 3, 1, 2]
    assert hung.error is not None
    assert stopped.error is not None
    assert hung.error.message == "hang hangs: no sign of it in 10 s, so it was ended"
    assert stopped.error.message == "stop hangs: no sign of it in 5 s, so it was ended"
    assert after.get() == 5
    assert set(multiprocessing.active_children()) <= before


def test_run_job_whose_value_cannot_be_sent_is_told(outcomes):
    error = outcomes["return_what_cannot_travel"].error
    assert isinstance(error, WorkerCrash)
    assert "lambda" in error.message


def test_run_job_that_refuses_keeps_its_error_and_hint(outcomes):
    error = outcomes["be_refused"].error
    assert type(error) is InputError
    assert (error.message, error.hint, error.exit_code) == ("no such model", "give another", 2)


def test_run_job_on_a_full_disk_is_a_storage_error(outcomes):
    error = outcomes["fill_the_disk"].error
    assert type(error) is StorageError
    assert error.exit_code == 4
    assert error.message == "cannot read or write /full/model.pte: No space left on device"


def test_run_jobs_keeps_output_from_the_terminal_and_tells_progress(capfd):
    progress: list[tuple[str, int]] = []
    ended: list[str] = []
    jobs = [job(chatter), job(add, left=1, right=1), job(abort)]
    run_jobs(
        jobs,
        max_parallel=1,
        on_progress=lambda name, done: progress.append((name, done)),
        on_done=lambda place, outcome: ended.append(outcome.name),
    )
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert progress == [("add", 1), ("add", 2)]
    assert ended == ["chatter", "add", "abort"]


def test_run_jobs_each_in_a_process_of_its_own():
    pids = {outcome.get() for outcome in run_jobs([job(tell_pid)] * 2, max_parallel=1)}
    assert len(pids | {os.getpid()}) == 3


def test_run_job_whose_process_dies_before_it_reads_is_told(monkeypatch):
    """With more to read than a pipe holds, the caller would wait for ever."""
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", b"/bin/false")
    job = Job(name="large", function=hold_memory, arguments={"num_bytes": b"0" * 1_000_000})
    (outcome,) = run_jobs([job], max_parallel=1)
    assert isinstance(outcome.error, WorkerCrash)
    assert outcome.error.message == "large crashed (exit code 1)"


def test_run_no_jobs_gives_nothing():
    assert run_jobs([], max_parallel=2) == []


PARENT = """
import sys
from pathlib import Path
from pipeline.running.jobs import run_jobs
from tests.pipeline.running import test_jobs as jobs
"""


def start(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT + code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_peak_memory_is_the_jobs_own_not_its_parents():
    """A process that is started inherits the peak of the one that starts it, if asked naively."""
    code = """
ballast = b"\\1" * 700_000_000
found = run_jobs([jobs.job(jobs.hold_memory, num_bytes=size) for size in (1, 300_000_000)],
                 max_parallel=1)
print(*(outcome.peak_rss_bytes for outcome in found))
"""
    parent = start(code)
    out, err = parent.communicate(timeout=60)
    assert parent.returncode == 0, err
    small, large = map(int, out.split())
    assert small < 200_000_000
    assert 300_000_000 < large < 600_000_000


SLEEPERS = """
files = [Path(name) for name in sys.argv[1:]]
try:
    run_jobs([jobs.job(jobs.sleep, pid_file=file) for file in files], max_parallel=2,
             on_done=lambda place, outcome: print("done", outcome.name))
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the state of processes from /proc")
@pytest.mark.parametrize(
    ("sent", "to_group"),
    [
        (signal.SIGINT, False),
        (signal.SIGINT, True),
        (signal.SIGTERM, False),
        (signal.SIGKILL, False),
    ],
    ids=["interrupt", "Ctrl-C", "terminate", "kill"],
)
def test_run_jobs_ended_from_outside_leaves_no_process(tmp_path, sent, to_group):
    files = [tmp_path / name for name in ("first", "second", "never")]
    parent = start(SLEEPERS, *files)
    assert wait_until(lambda: all(file.exists() and file.read_text() for file in files[:2]))
    pids = [int(file.read_text()) for file in files[:2]]
    try:
        if to_group:
            os.killpg(parent.pid, sent)
        else:
            parent.send_signal(sent)
        out, err = parent.communicate(timeout=30)
        assert wait_until(lambda: not any(map(is_running, pids)))
    finally:
        for pid in filter(is_running, pids):
            os.kill(pid, signal.SIGKILL)
    assert not files[2].exists()
    if sent == signal.SIGINT:
        assert (out, err, parent.returncode) == ("interrupted\n", "", 0)
    else:
        assert parent.returncode == -sent
