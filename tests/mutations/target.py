"""What a fault is planted in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Parameters = Mapping[str, np.ndarray]
"""Of a student, by their names in its state dict, in float32."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A finished artifact, to be damaged.

    Attributes:
        path: The file or package, a copy.
        originals: Of the student that it was made from.
        others: Of a student of another seed.
    """

    backend: str
    path: Path
    originals: Parameters
    others: Parameters

    @property
    def files(self) -> list[Path]:
        """The files that hold weights, or all that there is."""
        return [each for each in (self.path, *sorted(self.path.rglob("*"))) if each.is_file()]


Plant = Callable[[Target], None]
"""Puts a fault into a file; that it cannot is an error of the test."""
