"""Runs the self test of a bundle for the page, and tells how far it is."""

import contextlib
from collections.abc import Iterator
from typing import Any

from converters.values.errors import PocketBertError
from pipeline.bundle import open as bundles
from pipeline.files.canonical import json_value
from pipeline.packing import self_test
from pipeline.page.lines import SendLine
from pipeline.page.served import Served, without_folders
from pipeline.running.jobs import Outcome
from pipeline.running.progress import Progress, Update
from pipeline.running.run import Run


class _Told(Progress):
    """Progress that goes to the page, not to the terminal."""

    def __init__(self, tell: SendLine) -> None:
        super().__init__(quiet=True)
        self._tell = tell

    @contextlib.contextmanager
    def bars(self, totals: dict[str, int]) -> Iterator[Update]:
        """Tells of every unit of work."""

        def update(name: str, done: int) -> None:
            self._tell({"kind": "progress", "name": name, "done": done, "total": totals[name]})

        for name in totals:
            update(name, 0)
        yield update

    def done(self, outcome: Outcome[Any]) -> None:
        """Tells nothing more: the end says all."""


def run_self_test(served: Served, *, num_threads: int, tell: SendLine) -> None:
    """Compares every file with the manifest, then runs the self test in all runtimes.

    Args:
        served: The bundle.
        num_threads: Of a runtime.
        tell: Takes how far it is, then what came of it, then None.
    """
    try:
        tell({"kind": "progress", "name": "files", "done": 0, "total": 1})
        files = bundles.verify(served.path)
        problems = [(each.path, each.problem) for each in files.problems]
        tell({"kind": "progress", "name": "files", "done": 1, "total": 1})
        tested: list[dict[str, Any]] = []
        if not problems:
            run = Run(num_threads=num_threads, progress=_Told(tell))
            result = self_test.run(served.opened, run=run)
            tested = [each.to_json() for each in result.done]
            problems = [(each.path, each.problem) for each in result.problems]
        told = [{"path": path, "problem": without_folders(problem)} for path, problem in problems]
        tell({"kind": "result", "tested": json_value(tested), "problems": told})
    except PocketBertError as err:
        message, hint = without_folders(err.message), without_folders(err.hint)
        tell({"kind": "failed", "message": message, "hint": hint})
    finally:
        tell(None)
