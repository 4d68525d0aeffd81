"""Stages that are run once: their results come from the cache the next time."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.values.errors import InputError
from pipeline.running.cache import StageCache, as_array, from_array
from pipeline.running.fingerprint import fingerprint
from pipeline.running.jobs import Job, Outcome, Report
from pipeline.running.progress import Stages
from pipeline.running.reuse import Kept, run_jobs, run_stage


def note(*, log: Path, number: int, report: Report) -> int:
    """Writes down that it ran, and returns the number."""
    with log.open("a") as file:
        file.write(f"{number}\n")
    report(number)
    return number


def refuse(*, log: Path, number: int, report: Report) -> int:
    note(log=log, number=number, report=report)
    raise InputError("no such number", hint="give another")


def crash(*, log: Path, number: int, report: Report) -> int:
    note(log=log, number=number, report=report)
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


def run(jobs: list[Job], cache: StageCache | None, stages: Stages) -> list[Outcome]:
    return run_jobs(jobs, kept=kept, cache=cache, max_parallel=2, stages=stages)


def test_jobs_run_once_and_are_told_in_order(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log, cache = tmp_path / "log", StageCache(tmp_path / "stages")
    run([job(note, 2, log)], cache, Stages(quiet=True))
    stages = Stages()
    outcomes = run([job(note, number, log) for number in (1, 2, 3)], cache, stages)
    assert [outcome.get() for outcome in outcomes] == [1, 2, 3]
    assert [outcome.is_reused for outcome in outcomes] == [False, True, False]
    assert sorted(log.read_text().split()) == ["1", "2", "3"]
    assert stages.reused == ["note 2"]
    marks = {line[:6]: line.split()[2] for line in capfd.readouterr().err.splitlines()}
    assert marks == {"note 1": "done", "note 2": "reused", "note 3": "done"}


def test_jobs_without_a_cache_run_every_time(tmp_path: Path) -> None:
    log, stages = tmp_path / "log", Stages(quiet=True)
    for _ in range(2):
        run_jobs([job(note, 1, log)], kept=be_asked, cache=None, max_parallel=1, stages=stages)
    assert log.read_text().split() == ["1", "1"]
    assert stages.reused == []


def be_asked(job: Job) -> Kept:
    raise AssertionError("where nothing is kept, nobody asks where")


@pytest.mark.parametrize("function", [refuse, crash])
def test_job_that_fails_is_not_kept(tmp_path: Path, function: Any) -> None:
    log, cache, stages = tmp_path / "log", StageCache(tmp_path / "stages"), Stages(quiet=True)
    for _ in range(2):
        [outcome] = run([job(function, 1, log)], cache, stages)
        assert outcome.error is not None
    assert log.read_text().split() == ["1", "1"]
    assert not (tmp_path / "stages").exists()
    assert stages.reused == []


def test_stage_runs_once(tmp_path: Path) -> None:
    cache, stages, made = StageCache(tmp_path), Stages(quiet=True), []

    def make() -> list[str]:
        made.append("made")
        return ["value"]

    def place() -> Kept:
        return Kept(key="key", pack=pack, unpack=unpack)

    for _ in range(2):
        assert run_stage("s", make, kept=place, cache=cache, stages=stages) == ["value"]
    assert (made, stages.reused) == (["made"], ["s"])
    assert run_stage("s", make, kept=place, cache=None, stages=stages) == ["value"]
    assert (made, stages.reused) == (["made"] * 2, ["s"])


def test_stage_that_fails_is_not_kept(tmp_path: Path) -> None:
    cache, stages = StageCache(tmp_path), Stages(quiet=True)

    def make() -> None:
        raise InputError("no texts")

    for _ in range(2):
        with pytest.raises(InputError, match="no texts"):
            run_stage(
                "s", make, kept=lambda: Kept(key="key", pack=pack, unpack=unpack),
                cache=cache, stages=stages,
            )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    assert stages.reused == []
