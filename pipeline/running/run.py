"""How a run goes: on how many threads, with what earlier runs have kept, and what it shows."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pipeline.running import jobs as workers
from pipeline.running.cache import Kept, StageCache
from pipeline.running.jobs import Job, Outcome
from pipeline.running.processes import peak_rss_bytes
from pipeline.running.progress import Progress, Stage

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What every stage of a flow is given.

    Attributes:
        num_threads: Of a runtime; where two run at a time, of both together.
        cache: Of stages that earlier runs have finished; None to run them all.
        progress: Shows each stage.
    """

    num_threads: int
    cache: StageCache | None = None
    progress: Progress = field(default_factory=Progress)

    @property
    def num_parallel(self) -> int:
        """How many runtimes run at a time: two, where there is a thread for each.

        A row is too little work for many threads.
        """
        return min(2, self.num_threads)

    @property
    def num_threads_each(self) -> int:
        """Threads of each of those."""
        return max(1, self.num_threads // 2)

    def stage(self, name: str) -> contextlib.AbstractContextManager[Stage]:
        """Times one stage that runs in this process."""
        return self.progress.stage(name)

    def make(
        self,
        name: str,
        make: Callable[[], Result],
        *,
        kept: Callable[[], Kept[Result]] | None,
    ) -> Result:
        """Runs one stage in this process, unless its result is in the cache.

        Args:
            name: Of the stage.
            make: Runs it.
            kept: Returns where its result is kept, and is called where there is a cache; None for
                a result that is not worth keeping.
        """
        with self.stage(name) as stage:
            if self.cache is None or kept is None:
                return make()
            value, stage.is_reused = self.cache.take_or_make(make, kept=kept())
        return value

    def run_jobs(
        self,
        jobs: Sequence[Job[Result]],
        *,
        max_parallel: int = 1,
        kept: Callable[[Job[Result]], Kept[Result]] | None = None,
    ) -> list[Outcome[Result]]:
        """Runs those jobs whose results are not in the cache, and returns all outcomes in order.

        What a job makes is kept as soon as it ends, so that a run that is interrupted later need
        not make it again. A job that fails leaves nothing.

        Args:
            jobs: Their names need not differ.
            max_parallel: How many run at a time.
            kept: Returns where the result of a job is kept, and is called where there is a cache;
                None for results that are not worth keeping.
        """
        places = {}
        if kept is not None and self.cache is not None:
            places = {number: kept(job) for number, job in enumerate(jobs)}
        outcomes = {
            number: outcome
            for number, place in places.items()
            if (outcome := self._taken(jobs[number].name, place)) is not None
        }
        missing = [number for number in range(len(jobs)) if number not in outcomes]

        def done(place: int, outcome: Outcome[Result]) -> None:
            kept_at = places.get(missing[place])
            if outcome.error is None and kept_at is not None and self.cache is not None:
                self.cache.keep(kept_at.key, kept_at.pack(outcome.get()))
            self.progress.done(outcome)

        to_run = [jobs[number] for number in missing]
        with self.progress.count(to_run) as update:
            made = workers.run_jobs(
                to_run, max_parallel=max_parallel, on_progress=update, on_done=done
            )
        outcomes.update(zip(missing, made, strict=True))
        return [outcomes[number] for number in range(len(jobs))]

    def _taken(self, name: str, place: Kept[Result]) -> Outcome[Result] | None:
        """Returns what the cache holds of a job's result as its outcome; None where it is not."""
        begin = time.perf_counter()
        contents = None if self.cache is None else self.cache.take(place.key)
        if contents is None:
            return None
        outcome = Outcome(
            name=name,
            value=place.unpack(contents),
            seconds=time.perf_counter() - begin,
            peak_rss_bytes=peak_rss_bytes(),
            is_reused=True,
        )
        self.progress.done(outcome)
        return outcome
