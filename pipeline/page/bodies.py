"""What the page may send: each request's fields, and within which bounds."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_LINES = 2_000
"""Of a list that is classified at a time."""
MAX_REPEATS = 200
"""Of a row that is timed."""
MAX_CHARACTERS = 10**7
"""Of a text; a bundle says how many it reads, and refuses more with a message of its own."""


class _Body(BaseModel):
    """Fields of a request; an unknown one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


_Text = Annotated[str, Field(max_length=MAX_CHARACTERS)]
_Only = Annotated[list[str], Field(max_length=100)]


class Question(_Body):
    """A question about a text."""

    question: _Text
    context: _Text
    only: _Only | None = Field(default=None, description="Runtimes by their ids; null for all.")


class Line(_Body):
    """A text to be classified, or two."""

    text: _Text
    pair: _Text | None = None


class Texts(_Body):
    """Texts to be classified."""

    lines: Annotated[list[Line], Field(min_length=1, max_length=MAX_LINES)]
    only: _Only | None = Field(default=None, description="Runtimes by their ids; null for all.")


class Bench(_Body):
    """One example that is timed again and again in every runtime of a bundle."""

    bundle: Annotated[int, Field(ge=0)]
    asked: Question | Line
    repeats: Annotated[int, Field(ge=1, le=MAX_REPEATS)]


class OfBundle(_Body):
    """One of the bundles that are served."""

    bundle: Annotated[int, Field(ge=0)]
