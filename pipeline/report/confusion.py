"""What was answered to labelled examples: the student's table, and beside it those that differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.comparison.verdict import Parity
from pipeline.tasks.task import Counts


@dataclass(frozen=True, kw_only=True)
class Cell:
    """How often, and how much oftener than by the student."""

    count: int
    change: int
    is_right: bool


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of whoever gave just these answers, as far as they are counted.

    Attributes:
        about: Who gave them.
        rows: The name of each with its cells.
    """

    about: str
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """The tables of artifacts that were asked the same.

    Attributes:
        columns: Their names.
        before: The student's.
        after: Those that differ from it.
        alike: Who gave the student's.
    """

    num_examples: int
    columns: tuple[str, ...]
    before: Table
    after: tuple[Table, ...]
    alike: tuple[str, ...]


def groups(parity: Sequence[Parity]) -> Iterator[Group]:
    """Yields the tables of all artifacts whose answers were counted, by what they were asked."""
    found: dict[Counts, dict[Counts, list[Parity]]] = {}
    for each in parity:
        if each.counts is not None:
            before, after = each.counts
            found.setdefault(before, {}).setdefault(after, []).append(each)
    for before, others in found.items():
        lengths = sorted({each.seq_len for alike in others.values() for each in alike})
        yield Group(
            num_examples=before.num_examples,
            columns=before.columns,
            before=_table(f"PyTorch, {', '.join(map(str, lengths))} tokens", before, before),
            after=tuple(
                _table("; ".join(map(_name, alike)), before, after)
                for after, alike in others.items()
                if after != before
            ),
            alike=tuple(map(_name, others.get(before, ()))),
        )


def _name(parity: Parity) -> str:
    return f"{parity.runtime} {parity.precision}, {parity.seq_len} tokens"


def _table(about: str, before: Counts, after: Counts) -> Table:
    cells = [
        tuple(
            Cell(count=count, change=count - own, is_right=is_right)
            for own, count, is_right in zip(*each, strict=True)
        )
        for each in zip(before.cells, after.cells, before.is_right, strict=True)
    ]
    return Table(about=about, rows=tuple(zip(after.rows, cells, strict=True)))
