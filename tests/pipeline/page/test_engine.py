"""A runtime that stays open: taking turns, being given up, dying and coming back."""

import functools
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from converters.values.errors import InputError, PocketBertError
from pipeline.page import engine
from pipeline.page.engine import Engine, Setting, Turn
from tests.command import is_running, wait_until

ROW = {"input_ids": np.ones((1, 4), np.int32)}


class Echo:
    """A runner that gives back what it takes; at a row of nines it waits until a file is there."""

    def __init__(self, gate: Path) -> None:
        self._gate = gate

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if inputs["input_ids"][0, 0] == 9:
            self._gate.with_suffix(".waiting").touch()
            assert wait_until(self._gate.exists)
        return dict(inputs)


def refuse() -> Echo:
    raise InputError("this student is gone", hint="name it with --reference")


class Work:
    """Rows that all begin with a number, and what came of them."""

    def __init__(self, number: int, *, num_rows: int = 1, told: list[int] | None = None) -> None:
        self.is_cancelled = False
        self.rows = [{"input_ids": np.full((1, 4), number, np.int32)}] * num_rows
        self.error: PocketBertError | None = None
        self._told = [] if told is None else told
        self._has_ended = threading.Event()

    def row_done(self, outputs: dict[str, np.ndarray], latency_ms: float) -> None:
        assert latency_ms > 0
        self._told.append(int(outputs["input_ids"][0, 0]))

    def ended(self, error: PocketBertError | None) -> None:
        self.error = error
        self._has_ended.set()

    def wait(self) -> list[int]:
        assert self._has_ended.wait(30)
        return self._told

    @property
    def has_ended(self) -> bool:
        return self._has_ended.is_set()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def echo(gate: Path) -> Iterator[Engine]:
    setting = Setting(modules=(), load=functools.partial(Echo, gate), first_row=ROW)
    made = Engine("echo", setting, Turn())
    yield made
    made.close()


def waits(gate: Path) -> bool:
    return wait_until(gate.with_suffix(".waiting").exists)


def test_works_take_turns_row_by_row(echo: Engine) -> None:
    told: list[int] = []
    works = [Work(number, num_rows=3, told=told) for number in (1, 2)]
    for work in works:
        echo.submit(work)
    for work in works:
        work.wait()
    assert told == [1, 2, 1, 2, 1, 2]
    assert echo.state.stage == "ready"


def test_runtime_that_is_killed_is_told_and_started_again(echo: Engine, gate: Path) -> None:
    lost, waiting = Work(9), Work(5)
    echo.submit(lost)
    assert waits(gate)
    echo.submit(waiting)
    assert echo.pid is not None
    os.kill(echo.pid, signal.SIGKILL)
    lost.wait()
    assert lost.error is not None and "echo crashed" in lost.error.message
    assert waiting.wait() == [5] and waiting.error is None
    assert (echo.state.stage, echo.state.num_crashes) == ("ready", 1)


def test_work_that_was_given_up_is_not_begun(echo: Engine, gate: Path) -> None:
    first, given_up, last = Work(9), Work(3), Work(4)
    echo.submit(first)
    assert waits(gate)
    echo.submit(given_up)
    echo.submit(last)
    echo.cancel(given_up)
    gate.touch()
    assert last.wait() == [4]
    assert not given_up.has_ended


def test_row_that_goes_on_long_after_it_was_given_up_is_ended(
    echo: Engine, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_OVERDUE_SECONDS", 0)
    hanging, after = Work(9), Work(6)
    echo.submit(hanging)
    assert waits(gate)
    echo.cancel(hanging)
    echo.submit(after)
    assert after.wait() == [6]
    assert echo.state.num_crashes == 0


def test_runtime_that_cannot_be_loaded_says_why_to_all_that_ask() -> None:
    made = Engine("student", Setting(modules=(), load=refuse, first_row=ROW), Turn())
    early = Work(1)
    made.submit(early)
    early.wait()
    late = Work(1)
    made.submit(late)
    for work in (early, late):
        assert work.error is not None
        assert work.error.message == "this student is gone (name it with --reference)"
    assert made.state.stage == "stopped"
    made.close()


def test_error_in_what_takes_an_answer_ends_that_work_alone(echo: Engine) -> None:
    class Bad(Work):
        def row_done(self, outputs: dict[str, np.ndarray], latency_ms: float) -> None:
            raise ZeroDivisionError("what it is made of")

    bad, good = Bad(1), Work(2)
    echo.submit(bad)
    echo.submit(good)
    bad.wait()
    assert bad.error is not None and "ZeroDivisionError: what it is made of" in bad.error.message
    assert good.wait() == [2]


def test_close_ends_the_process_and_what_waits(echo: Engine, gate: Path) -> None:
    running, waiting = Work(9), Work(1)
    echo.submit(running)
    assert waits(gate)
    echo.submit(waiting)
    pid = echo.pid
    assert pid is not None
    echo.close()
    waiting.wait()
    assert waiting.error is not None and "echo was ended" in waiting.error.message
    assert wait_until(lambda: not is_running(pid))


def test_turn_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_TURN_SECONDS", 0.01)
    turn = Turn()
    with turn.taken(), turn.taken():
        pass
    monkeypatch.setattr(engine, "MAX_TURN_SECONDS", 60)
    with turn.taken():  # neither of the two has kept it
        pass
