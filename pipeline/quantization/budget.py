"""What artifacts may cost: bytes, and answers that are no longer right."""

import math
from dataclasses import dataclass

from converters.values.errors import GateError, InputError


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the artifacts of a build cost, the worst of them.

    Attributes:
        size_bytes: Of the largest.
        score_drop: Percentage points of the task's own score that the worst falls behind the
            PyTorch student; not a number where one did not run.
        why_unknown: Which did not run, and why, in words; empty where all did.
    """

    size_bytes: float
    score_drop: float
    why_unknown: str = ""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most that artifacts may cost; infinite where nothing was asked."""

    max_size_bytes: float = math.inf
    max_score_drop: float = math.inf

    @property
    def limits_answers(self) -> bool:
        """Whether answers are a part of it."""
        return not math.isinf(self.max_score_drop)

    def allows_size(self, cost: Cost) -> bool:
        """Whether every artifact is small enough."""
        return cost.size_bytes <= self.max_size_bytes

    def allows_answers(self, cost: Cost) -> bool:
        """Whether every artifact answers well enough."""
        return not self.limits_answers or cost.score_drop <= self.max_score_drop

    def check(self, cost: Cost) -> None:
        """Checks what was built.

        Raises:
            GateError: It costs more; the message says which budget is broken, and by how much.
        """
        if not self.allows_size(cost):
            raise self.size_error(cost)
        if not self.allows_answers(cost):
            raise self.answers_error(cost)

    def size_error(self, cost: Cost) -> GateError:
        """Returns the error of artifacts that are too large."""
        megabytes = cost.size_bytes / 1e6
        excess = megabytes - self.max_size_bytes / 1e6
        return GateError(
            f"--max-size-mb {self.max_size_bytes / 1e6:g} is out of reach by {excess:.2f} MB",
            hint=f"allow {megabytes:.2f}, trim the vocabulary, or distill a smaller student",
        )

    def answers_error(self, cost: Cost) -> GateError:
        """Returns the error of artifacts that answer too badly."""
        if math.isnan(cost.score_drop):
            reason = cost.why_unknown or "nothing was asked that has a known answer"
            return GateError(
                f"--max-score-drop {self.max_score_drop:g} cannot be judged: {reason}",
                hint="mend that, or build without --max-score-drop",
            )
        excess = cost.score_drop - self.max_score_drop
        return GateError(
            f"--max-score-drop {self.max_score_drop:g} is out of reach by {excess:.2f} points",
            hint=f"allow {cost.score_drop:.2f}, or more megabytes",
        )


NO_BUDGET = Budget()


def asked_budget(
    *,
    max_size_mb: float | None = None,
    max_score_drop: float | None = None,
    max_f1_drop: float | None = None,
    is_needed: bool = False,
) -> Budget:
    """Returns the budget that options ask for.

    Args:
        max_size_mb: 10^6 bytes; ``None`` for any number of them.
        max_score_drop: Percentage points; ``None`` for any number of them.
        max_f1_drop: The older name of ``max_score_drop``.
        is_needed: Whether there has to be one.

    Raises:
        InputError: There is none where one is needed, one is not finite, or both names of one limit
            say different numbers.
    """
    if max_score_drop is None:
        max_score_drop = max_f1_drop
    elif max_f1_drop not in (None, max_score_drop):
        raise InputError(
            f"--max-score-drop {max_score_drop:g} and --max-f1-drop {max_f1_drop:g} are two names "
            "of one limit",
            hint="leave out --max-f1-drop",
        )
    for name, limit in (("--max-size-mb", max_size_mb), ("--max-score-drop", max_score_drop)):
        if limit is not None and not math.isfinite(limit):
            raise InputError(f"{name} {limit:g} is no limit", hint=f"give a number, or no {name}")
    if is_needed and max_size_mb is None and max_score_drop is None:
        raise InputError(
            "--precision auto needs a budget", hint="add --max-size-mb 14, or --max-score-drop 1"
        )
    return Budget(
        max_size_bytes=math.inf if max_size_mb is None else max_size_mb * 1e6,
        max_score_drop=math.inf if max_score_drop is None else max_score_drop,
    )
