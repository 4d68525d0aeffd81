"""What an app needs to test itself on the phone that it runs on, as ``vectors.json`` has it."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from converters.values.errors import InputError
from pipeline.bundle.manifest import (
    MAX_SEQ_LEN,
    MAX_TEXT_CHARACTERS,
    Inside,
    SeqLen,
    SeqLens,
    TokenId,
)
from pipeline.files.canonical import canonical_json, json_value

MAX_VECTORS_BYTES = 64 * 10**6
"""A bundle's takes a few hundred thousand."""
MAX_VECTORS = 1_000
"""Texts, and questions. A reader runs them all."""
MAX_TOLERANCE = 100.0
"""Logits. Beyond it nothing is compared."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_Place = Annotated[int, Field(ge=0, le=2 * MAX_TEXT_CHARACTERS)]
"""In a text; a character outside of the first plane takes two units of UTF-16."""
_Span = tuple[_Place, _Place]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class TextVector(_Part):
    """A text and its tokens; offsets in code points and in UTF-16 units."""

    text: str
    ids: tuple[TokenId, ...]
    offsets: tuple[_Span, ...]
    utf16_offsets: tuple[_Span, ...]


class WindowVector(_Part):
    """A row of input without its padding, and what the PyTorch student makes of it.

    ``offsets`` are those of its context tokens, in code points of the context.
    """

    seq_len: SeqLen
    input_ids: tuple[TokenId, ...] = Field(max_length=MAX_SEQ_LEN)
    offsets: tuple[_Span, ...] = Field(max_length=MAX_SEQ_LEN)
    start_logits: tuple[_Number | None, ...] = Field(max_length=MAX_SEQ_LEN)
    end_logits: tuple[_Number | None, ...] = Field(max_length=MAX_SEQ_LEN)


class AnswerVector(_Part):
    """The answer of the PyTorch student; ``start`` and ``end`` in code points of the context."""

    text: str
    start: _Place
    end: _Place
    utf16_start: _Place
    utf16_end: _Place
    score: _Number | None


class QuestionVector(_Part):
    """A question, its windows and its answer."""

    question: str
    context: str
    windows: tuple[WindowVector, ...] = Field(min_length=1)
    answer: AnswerVector
    other_answer_in: tuple[Inside, ...] = Field(
        description="Artifacts that were seen to answer otherwise when the bundle was built."
    )


class Vectors(_Part):
    """All that an app tests itself with."""

    texts: tuple[TextVector, ...] = Field(max_length=MAX_VECTORS)
    seq_lens: SeqLens = Field(description="Lengths that windows are cut for, ascending.")
    questions: tuple[QuestionVector, ...] = Field(max_length=MAX_VECTORS)
    tolerances: dict[Inside, Annotated[float, Field(ge=0, le=MAX_TOLERANCE)]] = Field(
        description="By artifact, the largest difference of a logit from the student's."
    )


def write(vectors: Vectors, path: Path) -> None:
    """Writes vectors as canonical JSON."""
    path.write_bytes(canonical_json(json_value(vectors.model_dump(mode="json"))))


def read(path: Path) -> Vectors:
    """Reads vectors.

    Raises:
        InputError: The file is absent, or damaged.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_VECTORS_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as err:
        raise InputError(f"no vectors at {path}", hint="build the bundle again") from err
    if len(raw) > MAX_VECTORS_BYTES:
        raise InputError(
            f"{path} takes more than {MAX_VECTORS_BYTES:,} bytes", hint="build the bundle again"
        )
    try:
        return Vectors.model_validate_json(raw)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path} is damaged: {where}: {first['msg']}", hint="build the bundle again"
        ) from err
