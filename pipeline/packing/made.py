"""What a build makes: artifacts of one recipe, what they cost, and what could not be made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converters.values.artifact import Artifact
from pipeline.bundle import open
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.verdict import Parity
from pipeline.conversion.convert import Unbuilt
from pipeline.conversion.recipe import Recipe
from pipeline.quantization.budget import Cost


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
            f1_drop=float(np.max([each.f1_drop for each in self.verdicts] or [math.nan])),
            why_unknown=next(
                (
                    f"{each.runtime}: {each.reason}"
                    for each in self.verdicts
                    if math.isnan(each.f1_drop) and each.reason
                ),
                "",
            ),
        )

    @property
    def skipped(self) -> list[Skipped]:
        """What did not run, and why: it could not run here, or was not built."""
        return [*(each for unbuilt in self.unbuilt for each in _skipped(unbuilt)), *self.not_run]


def _skipped(unbuilt: Unbuilt) -> list[Skipped]:
    """Returns why nothing of an artifact could run, for each of its runtimes."""
    reason = f"its artifact is not in the bundle, for it could not be built: {unbuilt.error}"
    return [Skipped(runtime=name, reason=reason) for name in unbuilt.runtimes]
