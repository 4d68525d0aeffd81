"""Parts the examples of a file that a model can read from those that it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from converters.values.errors import InputError
from pipeline.tasks import Task
from pipeline.tasks.question_answering.squad import Example, Question, Unreadable


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples that can be asked, and those that cannot, each in the order of their file."""

    readable: tuple[Question, ...]
    unreadable: tuple[Unreadable, ...]


def sort_out(examples: Sequence[Example], *, task: Task, tokenizer: Tokenizer) -> Examples:
    """Parts examples by whether they can be asked.

    Args:
        examples: At least one.
        task: What they are asked for.
        tokenizer: Of the model that is to read them.

    Raises:
        InputError: None of them can be asked; the message names the first.
    """
    readable: list[Question] = []
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
