"""Runs stages of a build, or takes what they made before from the cache."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.running import jobs as workers
from pipeline.running.cache import Contents, StageCache
from pipeline.running.jobs import Job, Outcome
from pipeline.running.progress import Stages

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Where the result of a stage is kept, and how.

    Attributes:
        key: Names it by all that goes into it.
        pack: Turns it into arrays.
        unpack: Turns arrays into it again.
    """

    key: str
    pack: Callable[[Any], Contents]
    unpack: Callable[[Contents], Any]


def run_jobs(
    jobs: Sequence[Job],
    *,
    kept: Callable[[Job], Kept],
    cache: StageCache | None,
    max_parallel: int,
    on_progress: Callable[[str, int], None] = lambda name, done: None,
    stages: Stages,
) -> list[Outcome]:
    """Runs those jobs whose results are not in the cache, and returns all outcomes in order.

    What a job makes is kept as soon as it ends, so that a build that is interrupted later need not
    make it again. A job that fails leaves nothing.

    Args:
        jobs: Of different names.
        kept: Tells where the result of a job is kept; not asked where there is no cache.
        cache: Nothing where nothing is to be reused.
        max_parallel: How many run at a time.
        on_progress: Told how far each job is.
        stages: Told how each ends.
    """
    if cache is None:
        return workers.run_jobs(
            jobs, max_parallel=max_parallel, on_progress=on_progress, on_done=stages.done
        )
    places = {job.name: kept(job) for job in jobs}
    outcomes: dict[str, Outcome] = {}
    for name, place in places.items():
        begin = time.perf_counter()
        contents = cache.take(place.key)
        if contents is not None:
            outcomes[name] = Outcome(
                name=name,
                value=place.unpack(contents),
                seconds=time.perf_counter() - begin,
                peak_rss_bytes=workers.peak_rss_bytes(),
                is_reused=True,
            )
            stages.done(outcomes[name])

    def done(outcome: Outcome) -> None:
        place = places[outcome.name]
        if outcome.error is None:
            cache.keep(place.key, place.pack(outcome.value))
        stages.done(outcome)

    missing = [job for job in jobs if job.name not in outcomes]
    for outcome in workers.run_jobs(
        missing, max_parallel=max_parallel, on_progress=on_progress, on_done=done
    ):
        outcomes[outcome.name] = outcome
    return [outcomes[job.name] for job in jobs]


def run_stage(
    name: str,
    make: Callable[[], Result],
    *,
    kept: Callable[[], Kept],
    cache: StageCache | None,
    stages: Stages,
) -> Result:
    """Runs one stage in this process, unless its result is in the cache.

    Args:
        name: Of the stage.
        make: Runs it.
        kept: Tells where its result is kept; not asked where there is no cache.
        cache: Nothing where nothing is to be reused.
        stages: Told how it ends.
    """
    with stages.stage(name) as stage:
        if cache is None:
            return make()
        value, stage.is_reused = take_or_make(make, kept=kept(), cache=cache)
    return value


def take_or_make(
    make: Callable[[], Result], *, kept: Kept, cache: StageCache
) -> tuple[Result, bool]:
    """Returns a result, and whether it comes from the cache."""
    contents = cache.take(kept.key)
    if contents is not None:
        result: Result = kept.unpack(contents)
        return result, True
    result = make()
    cache.keep(kept.key, kept.pack(result))
    return result, False
