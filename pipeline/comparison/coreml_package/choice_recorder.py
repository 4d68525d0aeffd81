"""Watches a PyTorch program for what it chooses by scores."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.comparison.coreml_package.choices import Choice


class ChoiceRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps, while a program runs, the scores behind each tensor of positions."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._found: dict[int, tuple[torch.Tensor, Choice]] = {}

    def of(self, positions: Any) -> Choice | None:
        """Returns the choice behind a tensor, or None if it holds other numbers."""
        kept = self._found.get(id(positions))
        return kept[1] if kept else None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Runs an operator; what it chose is kept, and handed on where numbers stay in order."""
        given = kwargs or {}
        result = func(*args, **given)
        if str(func) in _CHOOSERS:
            positions = result[-1] if isinstance(result, tuple | list) else result
            self._keep(positions, _choice(func, args, given))
        elif func._schema.name in _IN_ORDER and (choice := self.of(args[0])) is not None:
            self._keep(result, choice)
        return result

    def _keep(self, positions: torch.Tensor, choice: Choice) -> None:
        # The tensor is kept, too: another with its id would be taken for it.
        self._found[id(positions)] = (positions, choice)


_CHOOSERS = frozenset({
    "aten.topk.default", "aten.sort.default", "aten.sort.stable", "aten.argsort.default",
    "aten.argsort.stable", "aten.argmax.default", "aten.argmin.default", "aten.max.dim",
    "aten.min.dim",
})  # fmt: skip
_IN_ORDER = frozenset(
    f"aten::{name}" for name in (
        "_to_copy", "clone", "alias", "detach", "view", "_unsafe_view", "squeeze", "unsqueeze",
        "lift_fresh", "lift_fresh_copy", "_reshape_alias",
    )
)  # fmt: skip
"""Operators that give the numbers they take, in the same order."""


def _choice(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Choice:
    """Returns the scores and the axis of an operator that chooses."""
    arguments = func._schema.arguments
    given = {each.name: each.default_value for each in arguments if each.has_default_value()}
    given.update(zip((each.name for each in arguments), args, strict=False))
    given.update(kwargs)
    scores = given["self"].detach().double().numpy().copy()
    if given["dim"] is None or not scores.ndim:
        return Choice.among_all(scores)
    return Choice(scores=scores, axis=given["dim"] % scores.ndim)
