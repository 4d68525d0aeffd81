"""Runs for tests that show nothing."""

from pipeline.running.cache import StageCache
from pipeline.running.progress import Progress
from pipeline.running.run import Run


def quiet_run(num_threads: int = 1, *, cache: StageCache | None = None) -> Run:
    return Run(num_threads=num_threads, cache=cache, progress=Progress(quiet=True))
