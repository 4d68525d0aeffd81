"""What a build makes: artifacts of one recipe, what they cost, and what could not be made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from converters.values.artifact import Artifact
from converters.values.errors import GateError, PocketBertError, StorageError
from pipeline.bundle import open
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.task_library import variant
from pipeline.comparison.verdict import Parity
from pipeline.conversion.convert import Unbuilt
from pipeline.conversion.recipe import Recipe
from pipeline.quantization.budget import Cost
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.task import Example


@dataclass(frozen=True, kw_only=True)
class Made:
    """The artifacts of one recipe, and what they cost; none are judged that are too large.

    Attributes:
        unbuilt: What could not be built.
        task_library: The TFLite artifact again for Google's Task Library, where it was asked for.
    """

    recipe: Recipe
    artifacts: Sequence[Artifact]
    unbuilt: Sequence[Unbuilt] = ()
    verdicts: Sequence[Parity] = ()
    not_run: Sequence[Skipped] = ()
    task_library: Artifact | None = None

    @property
    def cost(self) -> Cost:
        """The worst of them; NumPy's maximum keeps what is not a number."""
        return Cost(
            size_bytes=max(open.size_bytes(artifact.path) for artifact in self.artifacts),
            score_drop=float(np.max([each.worth.drop for each in self.verdicts] or [math.nan])),
            why_unknown=next(
                (
                    f"{each.runtime}: {each.reason}"
                    for each in self.verdicts
                    if math.isnan(each.worth.drop) and each.reason
                ),
                "",
            ),
        )

    @property
    def skipped(self) -> list[Skipped]:
        """What did not run, and why: it could not run here, or was not built."""
        return [*(each for unbuilt in self.unbuilt for each in _skipped(unbuilt)), *self.not_run]

    def moved(self, old: Path, new: Path) -> "Made":
        """Returns this as it is when its folder has another place."""

        def move(artifact: Artifact) -> Artifact:
            return replace(artifact, path=new / artifact.path.relative_to(old))

        return replace(
            self,
            artifacts=[move(artifact) for artifact in self.artifacts],
            task_library=self.task_library and move(self.task_library),
        )


def with_task_library(
    made: Made,
    student: Student,
    *,
    examples: Sequence[Example],
    run: Run,
) -> Made:
    """Adds the variant for Google's Task Library and what that says of it, or why there is none."""
    try:
        added = variant.add(_tflite(made), student, run=run)
    except StorageError:
        raise
    except PocketBertError as err:
        runtimes = (variant.RUNTIME,)
        unbuilt = Unbuilt(backend=variant.RUNTIME, runtimes=runtimes, error=err)
        return replace(made, unbuilt=[*made.unbuilt, unbuilt])
    verdicts, not_run = variant.check(added, student, examples=examples, run=run)
    return replace(
        made,
        task_library=added,
        verdicts=[*made.verdicts, *verdicts],
        not_run=[*made.not_run, *not_run],
    )


def _tflite(made: Made) -> Artifact:
    """Returns the artifact that the Task Library's variant is derived from."""
    for artifact in made.artifacts:
        if artifact.backend == "tflite":
            return artifact
    raise GateError("the TFLite artifact that it is derived from could not be built")


def _skipped(unbuilt: Unbuilt) -> list[Skipped]:
    """Returns why nothing of an artifact could run, for each of its runtimes."""
    reason = f"its artifact is not in the bundle, for it could not be built: {unbuilt.error}"
    return [Skipped(runtime=name, reason=reason) for name in unbuilt.runtimes]
