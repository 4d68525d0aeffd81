"""The layouts that labelled questions come in: SQuAD's own, and an example a line.

The second is what the library ``datasets`` writes of the SQuAD that it holds: lines of JSON, each
with id, context, question, and answers as lists of their texts and places.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from converters.values.errors import InputError, StorageError

_EXPECTED_KINDS = {
    "data": "a list of articles",
    "paragraphs": "a list of paragraphs",
    "context": "a string",
    "qas": "a list of questions",
    "id": "a string",
    "question": "a string",
    "answers": "a list of answers",
    "text": "a string",
    "answer_start": "an integer",
}
LAYOUT_HINT = (
    'Expected: {"data": [{"paragraphs": [{"context": "…", "qas": [{"id": "…", "question": "…", '
    '"answers": [{"text": "…", "answer_start": 0}]}]}]}], or lines of {"id": "…", "context": "…", '
    '"question": "…", "answers": {"text": ["…"], "answer_start": [0]}}'
)


@dataclass(frozen=True, kw_only=True)
class Record:
    """One labelled question as a file has it, with its context, unchecked.

    Attributes:
        value: What was parsed; None where that failed.
        place: Such as ``data[0].paragraphs[1].qas[2]``; empty where the line says it all.
        line: Where each example has a line of its own, which that is, from 1; else None.
        fault: Why the line is no JSON; empty where it is.
    """

    value: Any
    place: str = ""
    line: int | None = None
    fault: str = ""

    @property
    def where(self) -> str:
        """Its place in the file, for people."""
        return self.place or f"line {self.line}"

    def example(self) -> "LabelledExample":
        """Returns it, checked.

        Raises:
            InputError: It has another layout.
        """
        if self.fault:
            raise InputError(self.fault, hint=LAYOUT_HINT)
        example: LabelledExample = _validate(LabelledExample, self.value)
        return example


@dataclass(frozen=True, kw_only=True)
class LabelledFile:
    """The labelled questions of a file, in its order, each to be checked by itself.

    Attributes:
        text: Of the whole file.
        contexts: Of the paragraphs, those without a question among them; none where each example
            has a line of its own.
    """

    text: str
    records: tuple[Record, ...]
    contexts: tuple[str, ...] = ()


def _whole_characters(text: str) -> str:
    # JSON can spell half of a surrogate pair, "\ud83d", and a tokenizer would stop at it.
    text.encode("utf-8")
    return text


def _number_as_text(value: Any) -> Any:
    # COVID-QA numbers its questions.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _answers_one_by_one(value: Any) -> Any:
    """Returns ``{"text": […], "answer_start": […]}`` as a list of answers; all else as it is."""
    if not isinstance(value, dict):
        return value
    texts, starts = value.get("text"), value.get("answer_start")
    if not (isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts)):
        return value
    return [
        {"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)
    ]


Text = Annotated[str, AfterValidator(_whole_characters)]
_Id = Annotated[Text, BeforeValidator(_number_as_text)]


class _Layout(BaseModel):
    """A part of a file."""

    # Real SQuAD files carry extras such as ``title``: the keys that are read must be there, and
    # others pass.
    model_config = ConfigDict(frozen=True, extra="ignore")


class LabelledAnswer(_Layout):
    """An answer, and the character of the context at which it begins."""

    text: Text
    answer_start: int = Field(strict=True)


class LabelledExample(_Layout):
    """A question with its context and its answers.

    Attributes:
        is_impossible: Whether it is known to have no answer; None where the file does not say.
    """

    id: _Id
    question: Text
    context: Text
    answers: Annotated[tuple[LabelledAnswer, ...], BeforeValidator(_answers_one_by_one)]
    is_impossible: Any = None


class _Paragraph(_Layout):
    context: Text
    qas: tuple[Any, ...]  # each is checked by itself, so that one bad one need not stop the others


class _Article(_Layout):
    paragraphs: tuple[_Paragraph, ...]


class _SquadFile(_Layout):
    data: tuple[_Article, ...]


def read_labelled(path: Path) -> LabelledFile:
    """Returns what a file of labelled questions holds.

    Args:
        path: JSON in SQuAD layout, or an example a line; UTF-8 with or without a byte order mark.

    Raises:
        InputError: The file is absent, a folder, not UTF-8, no JSON or of another layout.
        StorageError: It may not be read.
    """
    text = read_text(path)
    try:
        document = _parse(text)
    except InputError as err:
        records = _parse_lines(text)
        if any(_is_example(record.value) for record in records):
            return LabelledFile(text=text, records=records)
        raise InputError(
            f"{path} {err.message}",
            hint="Correct the file there; labelled questions in JSON were expected.",
        ) from err
    if _is_example(document):
        return LabelledFile(text=text, records=(Record(value=document, line=1),))
    squad: _SquadFile = _validate(_SquadFile, document, prefix=f"{path} is not in SQuAD layout: ")
    return LabelledFile(
        text=text,
        records=tuple(
            Record(
                value={**raw, "context": paragraph.context} if isinstance(raw, dict) else raw,
                place=f"data[{article_index}].paragraphs[{paragraph_index}].qas[{index}]",
            )
            for article_index, article in enumerate(squad.data)
            for paragraph_index, paragraph in enumerate(article.paragraphs)
            for index, raw in enumerate(paragraph.qas)
        ),
        contexts=tuple(each.context for article in squad.data for each in article.paragraphs),
    )


def read_text(path: Path) -> str:
    """Returns a file's text, UTF-8 with or without a byte order mark, with its own line ends."""
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; a JSON file in SQuAD layout was expected.",
            hint="Name the file inside the folder.",
        )
    try:
        return path.read_bytes().decode("utf-8-sig")  # line ends stay as they are
    except FileNotFoundError as err:
        raise InputError(f"There is no file {path}.", hint="Check the path.") from err
    except PermissionError as err:
        raise StorageError(f"{path} may not be read.", hint="Check its permissions.") from err
    except UnicodeDecodeError as err:
        raise InputError(
            f"{path} is not UTF-8: byte {err.start} cannot be decoded.",
            hint="Save the file as UTF-8.",
        ) from err


def _parse_lines(text: str) -> tuple[Record, ...]:
    """Returns a record for each line that is not blank."""
    records = []
    for number, line in enumerate(text.split("\n"), start=1):  # U+2028 may stand within a line
        if line.strip():
            try:
                records.append(Record(value=_parse(line, first_line=number), line=number))
            except InputError as err:
                records.append(Record(value=None, line=number, fault=f"it {err.message}"))
    return tuple(records)


def _is_example(value: Any) -> bool:
    """Returns whether a value is an example with its context, as no part of SQuAD is."""
    return isinstance(value, dict) and {"context", "question"} <= value.keys()


def _parse(text: str, *, first_line: int = 1) -> Any:
    """Returns what a text in JSON holds.

    Raises:
        InputError: It is none; the message is a sentence without its subject.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as err:
        line = first_line - 1 + err.lineno
        raise InputError(f"is not JSON: line {line}, column {err.colno}: {err.msg}.") from err
    except RecursionError as err:
        raise InputError("cannot be read as JSON: it nests too deeply.") from err
    except ValueError as err:  # integers of thousands of digits
        raise InputError(f"cannot be read as JSON: {err}.") from err


def _validate(model: type[_Layout], value: Any, *, prefix: str = "") -> Any:
    """Returns a part of a file, checked.

    Raises:
        InputError: It has another layout; the message says where.
    """
    try:
        return model.model_validate(value)
    except ValidationError as err:
        raise InputError(f"{prefix}{_describe(err)}", hint=LAYOUT_HINT) from err


def _describe(err: ValidationError) -> str:
    """Returns where the first fault stands, what was expected there, and what came."""
    fault = err.errors()[0]
    location = fault["loc"]
    # A location that ends with an index is an element of a list; an empty one, the whole.
    field = location[-1] if location else None
    expected = _EXPECTED_KINDS[field] if isinstance(field, str) else "an object"
    if fault["type"] == "missing":
        came = "missing"
    elif fault["type"] == "value_error":
        came = "a string with half of a surrogate pair"
    else:
        came = _json_kind(fault["input"])
    return f"{_place(location)} is {came}; {expected} was expected."


def _place(location: tuple[int | str, ...]) -> str:
    """Returns a pydantic location as ``data[3].paragraphs[0].context``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".") or "the whole of it"


def _json_kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"
