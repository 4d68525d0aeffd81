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
    found: dict[Counts, dict[Counts, list[str]]] = {}
    for each in parity:
        if each.counts is not None:
            before, after = each.counts
            names = found.setdefault(before, {}).setdefault(after, [])
            names.append(f"{each.runtime} {each.precision}, {each.seq_len} tokens")
    for before, others in found.items():
        yield Group(
            num_examples=before.num_examples,
            columns=before.columns,
            before=_table("PyTorch", before, before),
            after=tuple(
                _table("; ".join(names), before, after)
                for after, names in others.items()
                if after != before
            ),
            alike=tuple(others.get(before, ())),
        )


def _table(about: str, before: Counts, after: Counts) -> Table:
    cells = [
        tuple(
            Cell(count=count, change=count - own, is_right=is_right)
            for own, count, is_right in zip(*each, strict=True)
        )
        for each in zip(before.cells, after.cells, before.is_right, strict=True)
    ]
    return Table(about=about, rows=tuple(zip(after.rows, cells, strict=True)))
