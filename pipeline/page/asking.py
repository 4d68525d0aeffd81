"""Examples asked of several runtimes at a time, and what each of them says beside PyTorch."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from converters.values.artifact import Arrays, Artifact
from converters.values.errors import PocketBertError
from pipeline.comparison.cases import Case
from pipeline.comparison.compare import Outcome, logit_noise, tell_apart
from pipeline.comparison.thresholds import thresholds_of
from pipeline.page.engine import Engine
from pipeline.tasks.task import Encoded, Example, Task


@dataclass(frozen=True, kw_only=True)
class Answerer:
    """A runtime that may be asked.

    Attributes:
        id: Names it on the page, of several bundles, too.
        artifact: What it runs; None for the PyTorch student.
    """

    id: str
    artifact: Artifact | None
    engine: Engine

    @property
    def runtime(self) -> str:
        """Its name."""
        return self.engine.name


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a runtime says of one example.

    Attributes:
        place: Of the example among those that were asked.
        outputs: For each of its rows, by name.
    """

    answerer: Answerer
    place: int
    encoded: Encoded
    outputs: Sequence[Mapping[str, np.ndarray]]
    answer: Any
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class Compared:
    """How an answer stands beside that of the PyTorch student.

    Attributes:
        margin: By how many logits the student prefers its own; zero for the same answer.
    """

    answerer: Answerer
    place: int
    outcome: Outcome
    margin: float


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """A runtime that gave no further answer, and why."""

    answerer: Answerer
    error: PocketBertError


@dataclass(frozen=True, kw_only=True)
class Finished:
    """Nothing more will come."""


Event = Answered | Compared | Stopped | Finished
Tell = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An example and its rows."""

    example: Example
    encoded: Encoded


class Asking:
    """Some examples on their way through some runtimes; events come from the runtimes' threads."""

    def __init__(
        self, asked: Sequence[Asked], answerers: Sequence[Answerer], *, task: Task, tell: Tell
    ) -> None:
        """Asks all runtimes.

        Args:
            asked: One or more examples.
            answerers: Each is asked all of them; one without an artifact is what others are
                compared with.
            task: Decodes answers.
            tell: Called with every event, one at a time.
        """
        self._asked = asked
        self._task = task
        self._tell = tell
        self._lock = threading.RLock()
        self._num_open = len(answerers)
        self._references: dict[int, Answered] = {}
        self._waiting: list[Answered] = []
        self._works = [_Work(each, self, asked) for each in answerers]
        for work in self._works:
            work.answerer.engine.submit(work)

    def cancel(self) -> None:
        """Gives up what is not answered yet; nothing is told any more."""
        with self._lock:
            self._tell = _nobody
        for work in self._works:
            work.answerer.engine.cancel(work)

    def answered(self, answerer: Answerer, place: int, rows: Sequence["_Done"]) -> None:
        """Takes the outputs of all rows of an example."""
        encoded = self._asked[place].encoded
        outputs = [row.outputs for row in rows]
        event = Answered(
            answerer=answerer,
            place=place,
            encoded=encoded,
            outputs=outputs,
            answer=self._task.decode(encoded, outputs),
            latency_ms=sum(row.latency_ms for row in rows),
        )
        with self._lock:
            self._tell(event)
            if answerer.artifact is None:
                self._references[place] = event
            else:
                self._waiting.append(event)
            self._compare()

    def ended(self, answerer: Answerer, error: PocketBertError | None) -> None:
        """Takes how a runtime ended."""
        with self._lock:
            if error is not None:
                self._tell(Stopped(answerer=answerer, error=error))
            self._num_open -= 1
            if self._num_open == 0:
                self._tell(Finished())

    def _compare(self) -> None:
        for event in [each for each in self._waiting if each.place in self._references]:
            self._waiting.remove(event)
            self._tell(self._compared(event, self._references[event.place]))

    def _compared(self, event: Answered, reference: Answered) -> Compared:
        """Compares as the parity check does, with the noise of this example's own logits."""
        assert event.answerer.artifact is not None
        case = Case(
            example=self._asked[event.place].example,
            encoded=event.encoded,
            outputs=reference.outputs,
            answer=reference.answer,
        )
        noise = logit_noise(
            [case], [event.outputs], self._task.outputs,
            least_snr_db=thresholds_of(event.answerer.artifact).snr_db,
        )  # fmt: skip
        outcome, margin = tell_apart(
            case, reference.answer, event.answer, task=self._task, noise=noise
        )
        return Compared(answerer=event.answerer, place=event.place, outcome=outcome, margin=margin)


def _nobody(event: Event) -> None:
    """Takes what is told after nobody listens any more."""
    del event


@dataclass(frozen=True, kw_only=True)
class _Done:
    """What one row gave."""

    outputs: dict[str, np.ndarray]
    latency_ms: float


@dataclass
class _Work:
    """All rows of all examples for one runtime."""

    answerer: Answerer
    asking: Asking
    asked: Sequence[Asked]
    is_cancelled: bool = False
    rows: Sequence[Arrays] = field(init=False)
    _place: int = 0
    _done: list[_Done] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = [row.inputs for each in self.asked for row in each.encoded.rows]

    def row_done(self, outputs: dict[str, np.ndarray], latency_ms: float) -> None:
        """Takes what the next row gave."""
        self._done.append(_Done(outputs=outputs, latency_ms=latency_ms))
        if len(self._done) == len(self.asked[self._place].encoded.rows):
            done, self._done = self._done, []
            place = self._place
            self._place += 1
            self.asking.answered(self.answerer, place, done)

    def ended(self, error: PocketBertError | None) -> None:
        """Takes how the work ended."""
        self.asking.ended(self.answerer, error)
