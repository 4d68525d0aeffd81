"""Keeps what runtimes gave for rows of input, the PyTorch student among them."""

from collections.abc import Sequence

import numpy as np

from converters import backends
from converters.values.artifact import Arrays, Artifact
from pipeline.comparison import runtimes
from pipeline.comparison.runtimes import Results
from pipeline.running.cache import Contents, Kept, StageCache, as_array, from_array
from pipeline.running.fingerprint import of_model, stage_key
from pipeline.running.jobs import Job
from pipeline.student.load import Student

_ARTIFACTS_NEED = ("torch", "numpy")
_STUDENT_NEEDS = ("torch", "transformers", "numpy")
_NAMES, _LATENCY = "names", "latency_ms"


def kept_run(job: Job[Results]) -> Kept[Results]:
    """Returns where the results of an artifact in a runtime are kept, see ``runtimes.job``."""
    packages = backends.runtime(job.arguments["runtime"]).packages
    key = stage_key(job.name, job.arguments, packages=(*packages, *_ARTIFACTS_NEED))
    return Kept(key=key, pack=pack, unpack=unpack)


class StudentRuns:
    """Runs rows through a student, or takes its outputs from the cache.

    Attributes:
        is_reused: Whether all that was asked for was in the cache.
    """

    def __init__(
        self, student: Student, cache: StageCache | None, *, computes_as: Artifact | None = None
    ) -> None:
        """Runs nothing yet.

        Args:
            student: To be run.
            cache: Of earlier runs; None where all is to be run now.
            computes_as: What the student's layers repeat beyond its weights; None for a plain one.
        """
        self.is_reused = cache is not None
        self._computes_as = computes_as and (computes_as.backend, computes_as.activations)
        self._student = student
        self._cache = cache
        self._model = of_model(student.model) if cache is not None else ""

    def run(self, rows: Sequence[Arrays]) -> Results:
        """Returns what ``runtimes.run_student_rows`` gives."""
        if self._cache is None:
            return runtimes.run_student_rows(self._student, rows)
        inputs = {
            "model": self._model, "computes_as": self._computes_as, "rows": rows,
        }  # fmt: skip
        results, is_reused = self._cache.take_or_make(
            lambda: runtimes.run_student_rows(self._student, rows),
            kept=Kept(
                key=stage_key("run pytorch", inputs, packages=_STUDENT_NEEDS),
                pack=pack,
                unpack=unpack,
            ),
        )
        self.is_reused &= is_reused
        return results


def pack(results: Results) -> Contents:
    """Returns results as arrays, each output of each row by itself."""
    arrays = {
        f"{row}.{name}": value
        for row, outputs in enumerate(results.outputs)
        for name, value in outputs.items()
    }
    arrays[_NAMES] = as_array([list(outputs) for outputs in results.outputs])
    arrays[_LATENCY] = np.array(results.latency_ms, np.float64)
    return arrays


def unpack(contents: Contents) -> Results:
    """Returns the results that ``pack`` took."""
    return Results(
        outputs=[
            {name: contents[f"{row}.{name}"] for name in names}
            for row, names in enumerate(from_array(contents[_NAMES]))
        ],
        latency_ms=contents[_LATENCY].tolist(),
    )
