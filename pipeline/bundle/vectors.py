"""What an app needs to test itself on the phone that it runs on, as ``vectors.json`` has it."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from converters.values.errors import InputError
from pipeline.bundle.manifest_parts import (
    MAX_LABELS,
    MAX_SEQ_LEN,
    MAX_TEXT_CHARACTERS,
    Inside,
    SeqLen,
    SeqLens,
    TokenId,
    Whole,
)
from pipeline.files.canonical import canonical_json, json_value

MAX_VECTORS_BYTES = 64 * 10**6
"""A bundle's takes a few hundred thousand."""
MAX_VECTORS = 1_000
"""Texts, and examples. A reader runs them all."""
MAX_TOLERANCE = 100.0
"""Logits. Beyond it nothing is compared."""
MAX_OUTPUTS = 64
"""Of a student; question answering has two."""
MAX_VALUES = max(MAX_SEQ_LEN, MAX_LABELS)
"""Of one output of one row."""
MAX_FIELDS = 64
"""Of an answer."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_Place = Annotated[int, Field(ge=0, le=2 * MAX_TEXT_CHARACTERS)]
"""In a text; a character outside of the first plane takes two units of UTF-16."""
_Span = tuple[_Place, _Place]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Values = Annotated[tuple[_Number, ...], Field(max_length=MAX_LABELS)]
_Names = Annotated[tuple[str, ...], Field(max_length=MAX_LABELS)]
Value = bool | Whole | _Number | str | _Names | _Values
"""Of one field of an answer."""


class TextVector(_Part):
    """A text and its tokens; offsets in code points and in UTF-16 units."""

    text: str
    ids: tuple[TokenId, ...]
    offsets: tuple[_Span, ...]
    utf16_offsets: tuple[_Span, ...]


class RowVector(_Part):
    """A row of input without its padding, and what the PyTorch student makes of it."""

    seq_len: SeqLen
    input_ids: tuple[TokenId, ...] = Field(max_length=MAX_SEQ_LEN)
    offsets: tuple[_Span, ...] = Field(
        default=(),
        max_length=MAX_SEQ_LEN,
        description="Of the tokens of the text that an answer lies in, in its code points.",
    )
    outputs: dict[str, Annotated[tuple[_Number | None, ...], Field(max_length=MAX_VALUES)]] = Field(
        min_length=1,
        max_length=MAX_OUTPUTS,
        description="By name, one number a token, or one a label where the row has one of each.",
    )


class ExampleVector(_Part):
    """An example, its rows and its answer."""

    texts: dict[str, str] = Field(min_length=1, description="By the names that the task gives.")
    rows: tuple[RowVector, ...] = Field(min_length=1)
    answer: dict[str, Value | None] = Field(
        max_length=MAX_FIELDS, description="Of the PyTorch student; the task says what it holds."
    )
    other_answer_in: tuple[Inside, ...] = Field(
        description="Artifacts that were seen to answer otherwise when the bundle was built."
    )


class Vectors(_Part):
    """All that an app tests itself with."""

    texts: tuple[TextVector, ...] = Field(max_length=MAX_VECTORS)
    seq_lens: SeqLens = Field(description="Lengths that rows are made for, ascending.")
    examples: tuple[ExampleVector, ...] = Field(max_length=MAX_VECTORS)
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
