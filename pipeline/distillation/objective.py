"""What one update of the weights is made of, whatever is learnt."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

PAD_MULTIPLE = 8
"""Of a batch's length: it keeps the matrix products on shapes that processors like."""

POOL_BATCHES = 50
"""Batches that are drawn together, sorted by length and shuffled, so that little is padding."""

Position = dict[str, int]
"""Where a run stands in its data; a checkpoint holds it as JSON."""


class Drawn(Protocol):
    """An example as it was drawn for an epoch."""

    @property
    def ids(self) -> list[int]:
        """Its tokens, special ones too, not yet padded."""
        ...


_Drawn = TypeVar("_Drawn", bound=Drawn)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The examples of one update, those of all processes together.

    Attributes:
        names: Of the examples, for people.
        inputs: By name, each ``(batch, seq_len) int64``.
        targets: ``(batch, seq_len, 2) float32`` shares of start and end for question answering;
            ``(batch, seq_len) int64`` ids for masked-language modelling, -100 where none is asked;
            ``(batch, outputs) float32`` for text classification, NaN where nobody has said.
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


@dataclass(frozen=True, kw_only=True)
class Learner:
    """What the data has to know of the model that learns from it.

    Attributes:
        tokenizer: WordPiece, truncation and padding switched off.
        input_names: What the model takes of a batch.
        config: Says what the outputs of its head mean; of a student, its teacher's.
    """

    tokenizer: Tokenizer
    input_names: tuple[str, ...]
    config: "PreTrainedConfig"


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

    def soft_loss(self, outputs: Any, taught: Any, batch: Batch, *, temperature: float) -> Tensor:
        """Returns how far a student's outputs are from a teacher's, summed over its terms."""
        ...

    def hard_loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Returns how far a student's outputs are from the labels, summed over its terms."""
        ...

    def evaluate(self, model: torch.nn.Module, *, part: slice) -> list[Any]:
        """Returns what a share of the held-out data gives; ``score`` makes figures of all."""
        ...

    def score(self, results: list[Any]) -> dict[str, float]:
        """Returns the figures of all the held-out data."""
        ...


def pooled(
    draw: Callable[[int, int], _Drawn],
    *,
    num_examples: int,
    batch_size: int,
    seed: int,
    start: Position | None,
) -> Iterator[tuple[list[_Drawn], Position]]:
    """Yields batches of examples of similar length, in an order that the seed decides, without end.

    An epoch has as many whole batches as there are; the few examples that are left over come in
    another one.

    Args:
        draw: Returns an example by its number and the epoch's.
        num_examples: Of an epoch.
        batch_size: Examples of a batch.
        seed: Of the order.
        start: Where to go on; None at the beginning.

    Yields:
        The examples, and where the data goes on after them.
    """
    position = start or {"epoch": 0, "batch": 0}
    num_batches = num_examples // batch_size
    skipped = position["batch"]
    for epoch in itertools.count(position["epoch"]):
        first_pool = skipped // POOL_BATCHES
        skipped -= first_pool * POOL_BATCHES
        order = list(range(num_examples))
        seeded(seed, epoch).shuffle(order)
        for pool in range(first_pool, -(-num_batches // POOL_BATCHES)):
            first = pool * POOL_BATCHES
            last = min(first + POOL_BATCHES, num_batches)
            rows = [draw(number, epoch) for number in order[first * batch_size : last * batch_size]]
            rows.sort(key=lambda row: len(row.ids))
            batches = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
            seeded(seed, epoch, pool).shuffle(batches)
            for index, batch in enumerate(batches[skipped:], start=skipped):
                yield batch, {"epoch": epoch, "batch": first + index + 1}
            skipped = 0


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
