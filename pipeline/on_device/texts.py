"""What tasks ask of a text before it becomes rows: can it be read, and where do windows begin.

``SPECIFICATION.md`` of each task says the rules in words.
"""

from typing import Protocol

from converters.values.errors import InputError
from pipeline.on_device.wordpiece import Tokens


class TextRules(Protocol):
    """The rules of a task that say which texts can be read."""

    @property
    def max_text_characters(self) -> int:
        """Of a text, in code points."""
        ...

    @property
    def max_unknown_share(self) -> float:
        """Of unknown tokens among those of a text."""
        ...


def check_text(what: str, text: str, tokens: Tokens, *, unknown: int, rules: TextRules) -> None:
    """Refuses a text that a student cannot read.

    Args:
        what: It is, for the message.
        text: The text.
        tokens: Of it.
        unknown: The id of [UNK].
        rules: Of the manifest.

    Raises:
        InputError: It is too long, has no token, or too many that the vocabulary lacks.
    """
    if len(text) > rules.max_text_characters:
        raise InputError(
            f"the {what} has {len(text)} characters; at most {rules.max_text_characters} are read",
            hint="split the text and ask each part",
        )
    if not tokens.ids:
        raise InputError(
            f"the {what} holds no token that can be read", hint=f"give a {what} with words"
        )
    if tokens.ids.count(unknown) > rules.max_unknown_share * len(tokens.ids):
        raise InputError(
            f"most of the {what} is not in the student's vocabulary",
            hint="use a student that was trained on this script",
        )


def window_starts(num_tokens: int, *, room: int, overlap: int) -> list[int]:
    """Returns at which tokens of a text its windows begin; the last ends with the text.

    Args:
        num_tokens: Of the text.
        room: Tokens of it that a row holds.
        overlap: That neighbouring windows share, at most.
    """
    step = room - min(overlap, room // 2)
    last = max(0, num_tokens - room)
    return [*range(0, last, step), last]
