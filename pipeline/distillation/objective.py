"""What one update of the weights is made of, the same for both modes."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

PAD_MULTIPLE = 8
"""Of a batch's length: it keeps the matrix products on shapes that processors like."""

Position = dict[str, int]
"""Where a run stands in its data; a checkpoint holds it as JSON."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The examples of one update, those of all processes together.

    Attributes:
        names: Of the examples, for people.
        inputs: By name, each ``(batch, seq_len) int64``.
        targets: ``(batch, seq_len, 2) float32`` shares of start and end for question answering;
            ``(batch, seq_len) int64`` ids for masked-language modelling, -100 where none is asked.
        after: Where the data goes on after this batch.
    """

    names: tuple[str, ...]
    inputs: dict[str, Tensor]
    targets: Tensor
    after: Position

    def rows(self, part: slice) -> "Batch":
        """Returns some of the rows."""
        return replace(
            self,
            names=self.names[part],
            inputs={name: value[part] for name, value in self.inputs.items()},
            targets=self.targets[part],
        )

    def to(self, device: torch.device) -> "Batch":
        """Returns the batch on a device."""
        return replace(
            self,
            inputs={name: value.to(device) for name, value in self.inputs.items()},
            targets=self.targets.to(device),
        )


class Objective(Protocol):
    """What is learnt: where the batches come from, what they ask, and how the student is judged."""

    metric: str
    """The name under which ``score`` gives the figure that should rise."""

    @property
    def batches_per_epoch(self) -> int | None:
        """Batches until all data was seen; None where that cannot be known before."""
        ...

    def batches(self, start: Position | None) -> Iterator[Batch]:
        """Yields batches without end, from the beginning or from a position."""
        ...

    def num_terms(self, batch: Batch) -> Mapping[str, float]:
        """Returns what each loss is divided by: its number of terms in the whole batch."""
        ...

    def logits(self, outputs: Any, batch: Batch) -> Tensor:
        """Returns a model's distributions that the soft targets compare, ``(rows, classes)``."""
        ...

    def hard_loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Returns the cross entropy of a student's outputs, summed over its terms."""
        ...

    def evaluate(self, model: torch.nn.Module, *, part: slice) -> list[Any]:
        """Returns what a share of the held-out data gives; ``score`` makes figures of all."""
        ...

    def score(self, results: list[Any]) -> dict[str, float]:
        """Returns the figures of all the held-out data."""
        ...


def padded_len(num_tokens: int) -> int:
    """Returns the length of the batch whose longest row has this many tokens."""
    return -(-num_tokens // PAD_MULTIPLE) * PAD_MULTIPLE


def pad(rows: list[list[int]], *, value: int) -> Tensor:
    """Returns rows as one tensor, ``(rows, seq_len) int64``, padded to a common length."""
    seq_len = padded_len(max(len(row) for row in rows))
    return torch.tensor([row + [value] * (seq_len - len(row)) for row in rows])


def seeded(*parts: int) -> random.Random:
    """Returns random numbers that depend on nothing but the parts, on every machine alike."""
    return random.Random(":".join(map(str, parts)))
