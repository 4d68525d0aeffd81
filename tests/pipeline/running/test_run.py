"""Stages that are run once: their results come from the cache the next time."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.values.errors import InputError
from pipeline.running.cache import Kept, StageCache, as_array, from_array
from pipeline.running.fingerprint import fingerprint
from pipeline.running.jobs import Job, Outcome, report
from pipeline.running.progress import Progress
from pipeline.running.run import Run
from tests.runs import quiet_run


def note(*, log: Path, number: int) -> int:
    """Writes down that it ran, and returns the number."""
    with log.open("a") as file:
        file.write(f"{number}\n")
    report(number)
    return number


def refuse(*, log: Path, number: int) -> int:
    note(log=log, number=number)
    raise InputError("no such number", hint="give another")


def crash(*, log: Path, number: int) -> int:
    note(log=log, number=number)
    os.abort()


def job(function: Any, number: int, log: Path) -> Job:
    arguments = {"log": log, "number": number}
    return Job(name=f"{function.__name__} {number}", function=function, arguments=arguments)


def kept(job: Job) -> Kept:
    return Kept(key=fingerprint(job.name), pack=pack, unpack=unpack)


def pack(value: Any) -> dict[str, np.ndarray]:
    return {"value": as_array(value)}


def unpack(contents: Any) -> Any:
    return from_array(contents["value"])


def run_kept(jobs: list[Job], run: Run) -> list[Outcome]:
    return run.run_jobs(jobs, kept=kept, max_parallel=2)


@pytest.mark.parametrize(("num_threads", "num_parallel", "num_threads_each"), [
    (1, 1, 1), (2, 2, 1), (3, 2, 1), (4, 2, 2), (8, 2, 4),
])  # fmt: skip
def test_runtimes_never_take_more_threads_than_the_run_has(
    num_threads: int, num_parallel: int, num_threads_each: int
) -> None:
    run = replace(quiet_run(), num_threads=num_threads)
    assert (run.num_parallel, run.num_threads_each) == (num_parallel, num_threads_each)


def test_jobs_run_once_and_are_told_in_order(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log, cache = tmp_path / "log", StageCache(tmp_path / "stages")
    run_kept([job(note, 2, log)], quiet_run(cache=cache))
    run = Run(num_threads=1, cache=cache, progress=Progress())
    outcomes = run_kept([job(note, number, log) for number in (1, 2, 3)], run)
    assert [outcome.get() for outcome in outcomes] == [1, 2, 3]
    assert [outcome.is_reused for outcome in outcomes] == [False, True, False]
    assert sorted(log.read_text().split()) == ["1", "2", "3"]
    assert run.progress.reused == ["note 2"]
    marks = {line[:6]: line.split()[2] for line in capfd.readouterr().err.splitlines()}
    assert marks == {"note 1": "done", "note 2": "reused", "note 3": "done"}


def test_jobs_of_one_name_have_each_its_own_outcome(tmp_path: Path) -> None:
    arguments = [{"log": tmp_path / "log", "number": number} for number in (1, 2)]
    jobs = [Job(name="note", function=note, arguments=each) for each in arguments]
    run = quiet_run(cache=StageCache(tmp_path / "stages"))
    for is_reused in (False, True):
        outcomes = run.run_jobs(jobs, kept=by_number)
        assert [outcome.get() for outcome in outcomes] == [1, 2]
        assert [outcome.is_reused for outcome in outcomes] == [is_reused] * 2
    assert [outcome.get() for outcome in run.run_jobs(jobs)] == [1, 2]


def by_number(job: Job) -> Kept:
    return Kept(key=fingerprint(job.arguments["number"]), pack=pack, unpack=unpack)


def test_jobs_without_a_cache_run_every_time(tmp_path: Path) -> None:
    log, run = tmp_path / "log", quiet_run()
    for _ in range(2):
        run.run_jobs([job(note, 1, log)], kept=be_asked)
    assert log.read_text().split() == ["1", "1"]
    assert run.progress.reused == []


def be_asked(job: Job) -> Kept:
    raise AssertionError("where nothing is kept, nobody asks where")


@pytest.mark.parametrize("function", [refuse, crash])
def test_job_that_fails_is_not_kept(tmp_path: Path, function: Any) -> None:
    log, run = tmp_path / "log", quiet_run(cache=StageCache(tmp_path / "stages"))
    for _ in range(2):
        [outcome] = run_kept([job(function, 1, log)], run)
        assert outcome.error is not None
    assert log.read_text().split() == ["1", "1"]
    assert not (tmp_path / "stages").exists()
    assert run.progress.reused == []


def test_stage_runs_once(tmp_path: Path) -> None:
    run, made = quiet_run(cache=StageCache(tmp_path)), []

    def make() -> list[str]:
        made.append("made")
        return ["value"]

    def place() -> Kept:
        return Kept(key="key", pack=pack, unpack=unpack)

    for _ in range(2):
        assert run.make("s", make, kept=place) == ["value"]
    assert (made, run.progress.reused) == (["made"], ["s"])
    for without in (replace(run, cache=None), run):
        assert without.make("s", make, kept=place if without is not run else None) == ["value"]
    assert (made, run.progress.reused) == (["made"] * 3, ["s"])


def test_stage_that_fails_is_not_kept(tmp_path: Path) -> None:
    run = quiet_run(cache=StageCache(tmp_path))

    def make() -> None:
        raise InputError("no texts")

    for _ in range(2):
        with pytest.raises(InputError, match="no texts"):
            run.make("s", make, kept=lambda: Kept(key="key", pack=pack, unpack=unpack))
    assert list(tmp_path.iterdir()) == []
    assert run.progress.reused == []
