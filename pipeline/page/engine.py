"""A runtime in a process that stays open, is asked row by row, and is started again if it dies."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from converters.values.artifact import Arrays, Runner
from converters.values.errors import PocketBertError, first_line
from pipeline.benchmark.process import Seat, seat
from pipeline.running.jobs import WorkerCrash

MAX_TURN_SECONDS = 5.0
"""How long a runtime waits for another to finish its row, so that one that hangs stops no other."""
MAX_OVERDUE_SECONDS = 30.0
"""How long the row of work that was given up may go on before its process is ended."""

Stage = Literal["starting", "ready", "restarting", "stopped"]


@dataclass(frozen=True, kw_only=True)
class State:
    """How a runtime is.

    Attributes:
        stage: ``stopped`` where it does not start, and will not.
        reason: Why it stopped, or has to start again.
        num_crashes: Since the page was opened, those aside that were ended for being overdue.
    """

    stage: Stage
    reason: str = ""
    num_crashes: int = 0


class Work(Protocol):
    """Rows for a runtime; what it tells is told from the runtime's own thread."""

    is_cancelled: bool
    rows: Sequence[Arrays]

    def row_done(self, outputs: dict[str, np.ndarray], latency_ms: float) -> None:
        """Takes what the next row gave."""
        ...

    def ended(self, error: PocketBertError | None) -> None:
        """Takes how the work ended: with all rows done, or with what stopped it."""
        ...


class Turn:
    """Lets one runtime compute at a time, so that its milliseconds are its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Waits for the turn, but not for ever."""
        is_mine = self._lock.acquire(timeout=MAX_TURN_SECONDS)
        try:
            yield
        finally:
            if is_mine:
                self._lock.release()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a runtime is started.

    Attributes:
        modules: Imported before anything is loaded.
        load: Makes the runner, in the process; picklable.
        first_row: Run once, so that the first question finds it warm.
    """

    modules: tuple[str, ...]
    load: Callable[[], Runner]
    first_row: Arrays


class Engine:
    """One runtime of one bundle. Work is done a row of each in turn, so that none waits long."""

    def __init__(self, name: str, setting: Setting, turn: Turn) -> None:
        """Starts the process; it may be asked at once."""
        self.name = name
        self._setting = setting
        self._turn = turn
        self._state = State(stage="starting")
        self._works: deque[tuple[Work, int]] = deque()
        self._current: Work | None = None
        self._seat: Seat | None = None
        self._is_closing = False
        self._is_overdue = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    @property
    def state(self) -> State:
        """How it is now."""
        return self._state

    @property
    def pid(self) -> int | None:
        """The number of its process; None where none runs."""
        seat = self._seat
        return None if seat is None else seat.pid

    def submit(self, work: Work) -> None:
        """Puts work behind what waits; where the runtime has stopped, the work ends at once."""
        with self._changed:
            if not (self._is_closing or self._state.stage == "stopped"):
                self._works.append((work, 0))
                self._changed.notify_all()
                return
        work.ended(self._end())

    def cancel(self, work: Work) -> None:
        """Gives work up; if its row does not end soon, the process does, and starts again."""
        work.is_cancelled = True
        timer = threading.Timer(MAX_OVERDUE_SECONDS, self._end_if_current, (work,))
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """Ends the process and waits until it is gone."""
        with self._changed:
            self._is_closing = True
            if self._seat is not None:
                self._seat.kill()
            self._changed.notify_all()
        self._thread.join()

    def _end_if_current(self, work: Work) -> None:
        with self._changed:
            if self._current is work and self._seat is not None:
                self._is_overdue = True
                self._seat.kill()

    def _end(self) -> PocketBertError:
        """Returns why nothing more is answered."""
        has_stopped = self._state.stage == "stopped"
        return PocketBertError(self._state.reason if has_stopped else f"{self.name} was ended")

    def _live(self) -> None:
        """Starts the process again and again, each time that it dies after it was ready."""
        while not self._is_closing and self._state.stage != "stopped":
            try:
                with seat(self.name) as sitting:
                    self._sit(sitting)
            except PocketBertError as err:
                self._failed(err)
            except Exception as err:  # in what takes the answers: it ends that work alone
                self._failed(WorkerCrash(f"{self.name}: {type(err).__name__}: {first_line(err)}"))
            finally:
                with self._changed:
                    self._seat = None
        self._end_all(self._end())

    def _sit(self, sitting: Seat) -> None:
        with self._changed:
            self._seat = sitting
            if self._is_closing:
                return
        setting = self._setting
        sitting.arrive(setting.modules, setting.load, setting.first_row)
        self._state = State(stage="ready", num_crashes=self._state.num_crashes)
        while (taken := self._take()) is not None:
            work, done = taken
            with self._turn.taken():
                results = sitting.run([work.rows[done]])
            work.row_done(results.outputs[0], results.latency_ms[0])
            self._current = None
            if done + 1 == len(work.rows):
                work.ended(None)
            else:
                with self._changed:
                    self._works.append((work, done + 1))

    def _take(self) -> tuple[Work, int] | None:
        """Returns the next work and which of its rows is next; None when it is time to end."""
        with self._changed:
            while True:
                if self._is_closing:
                    return None
                while self._works:
                    work, done = self._works.popleft()
                    if not work.is_cancelled:
                        self._current = work
                        return work, done
                self._changed.wait()

    def _failed(self, error: PocketBertError) -> None:
        """Notes why the process ended; one that was never ready is not started again."""
        was_ready = self._state.stage == "ready"
        is_crash = isinstance(error, WorkerCrash) and not self._is_overdue
        crashes, self._is_overdue = self._state.num_crashes + is_crash, False
        reason = (
            f"{error.message} ({error.hint})" if error.hint and not was_ready else error.message
        )
        with self._changed:
            stage: Stage = "restarting" if was_ready or self._is_closing else "stopped"
            self._state = State(stage=stage, reason=reason, num_crashes=crashes)
        work, self._current = self._current, None
        if work is not None:
            work.ended(self._end() if self._is_closing else error)

    def _end_all(self, error: PocketBertError) -> None:
        with self._changed:
            left = [work for work, _ in self._works]
            self._works.clear()
        for work in left:
            work.ended(error)
