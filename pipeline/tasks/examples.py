"""Parts the examples of a file that a model can read from those that it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from converters.values.errors import InputError
from pipeline.tasks.task import Task, Unreadable

Given = Path | Sequence[Any] | None
"""A file of examples, or examples; None for the package's own."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples that can be asked, and those that cannot, each in the order of their file."""

    readable: tuple[Any, ...]
    unreadable: tuple[Unreadable, ...]


def read(given: Given, *, task: Task, limit: int | None = None) -> Sequence[Any]:
    """Returns examples of a task.

    Args:
        given: They, or a file with them; None for the package's own.
        task: Which they are of.
        limit: How many to use; None for all.

    Raises:
        InputError: The file is absent, or of another layout.
    """
    if isinstance(given, Path):
        given = task.read_examples(given)
    return (given or task.own_examples())[:limit]


def sort_out(examples: Sequence[Any], *, task: Task, tokenizer: Tokenizer) -> Examples:
    """Parts examples by whether they can be asked.

    Args:
        examples: At least one.
        task: What they are asked for.
        tokenizer: Of the model that is to read them.

    Raises:
        InputError: None of them can be asked; the message names the first.
    """
    readable: list[Any] = []
    unreadable: list[Unreadable] = []
    for example in examples:
        if isinstance(example, Unreadable):
            unreadable.append(example)
            continue
        try:
            task.check_readable(example, tokenizer=tokenizer)
        except InputError as err:
            unreadable.append(Unreadable(id=example.id, reason=err.message))
        else:
            readable.append(example)
    if not readable:
        first = unreadable[0]
        raise InputError(
            f"none of the {len(examples)} examples can be read; the first, {first.id!r}: "
            f"{first.reason}",
            hint="give data of the student's language and task",
        )
    return Examples(readable=tuple(readable), unreadable=tuple(unreadable))
