"""Labelled texts of a user's files: tables with a header, or an object in JSON a line.

``.tsv`` is parted by tabs and line ends alone, and a quote is a character like any other, as in the
files of GLUE. ``.csv`` is RFC 4180's. ``.jsonl`` holds an object a line. The columns are ``text``,
``text_pair`` where an example is of two texts, and ``label``.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.values.errors import InputError
from pipeline.on_device.text_classification.rules import ProblemType as ProblemType
from pipeline.tasks.task import Unreadable
from pipeline.tasks.text_classification.tables import LAYOUT_HINT, read_records

_PLACE = re.compile(r"[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class LabelledText:
    """A text, or two, and what is said of it.

    Attributes:
        id: ``FILE:LINE``, unique within a file.
        text: The only text, or the first of two.
        text_pair: The second; None where there is one text.
        labels: The names set, by their place in the model; None where nobody has said.
        value: Of a regression; None where nobody has said, and for other problems.
    """

    id: str
    text: str
    text_pair: str | None = None
    labels: tuple[str, ...] | None = None
    value: float | None = None

    @property
    def is_labelled(self) -> bool:
        """Whether anybody has said which labels are right; that may be none of them."""
        return self.labels is not None or self.value is not None

    @property
    def texts(self) -> dict[str, str]:
        """What a row holds, the one that may be long last."""
        pair = {} if self.text_pair is None else {"text_pair": self.text_pair}
        return {"text": self.text, **pair}


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """What the labels of a file mean.

    Attributes:
        problem_type: Says whether an example has one label, several, or a number.
        labels: The names that a model knows, by place; None takes every name, as for a model that
            is yet to be trained.
        pair: Whether an example is of two texts; None takes a file's word for it.
    """

    problem_type: ProblemType
    labels: tuple[str, ...] | None = None
    pair: bool | None = None


Labelled = LabelledText | Unreadable
"""What a row of a file turned out to be."""


def stream(path: Path, *, scheme: Scheme, is_labelled: bool = True) -> Iterator[Labelled]:
    """Yields the rows of a file in its order, in memory that does not grow with their number.

    Args:
        path: A ``.tsv``, ``.csv`` or ``.jsonl`` file; UTF-8 with or without a byte order mark.
        scheme: What its labels mean.
        is_labelled: Whether it must have labels; where not, those that it has are passed over.

    Raises:
        InputError: It is absent, a folder, of another kind, not UTF-8, or without a needed column.
        StorageError: It may not be read.
    """
    columns = ["text", *["text_pair"] * bool(scheme.pair), *["label"] * is_labelled]
    for line, fields in read_records(path, columns=columns, takes_pair=scheme.pair is not False):
        name = f"{path.name}:{line}"
        try:
            yield _example(fields, id=name, scheme=scheme, is_labelled=is_labelled)
        except InputError as err:
            yield Unreadable(id=name, reason=err.message)


def read_labelled(
    path: Path, *, scheme: Scheme, is_labelled: bool = True
) -> tuple[Labelled, ...]:  # fmt: skip
    """Returns the rows of a file in its order; those that cannot be read say why.

    Args:
        path: As ``stream`` takes it.
        scheme: What its labels mean.
        is_labelled: Whether it must have labels.

    Raises:
        InputError: As in ``stream``; also where the file has no row, or none that can be read.
        StorageError: It may not be read.
    """
    examples = tuple(stream(path, scheme=scheme, is_labelled=is_labelled))
    if not examples:
        raise InputError(f"{path} holds no texts", hint=LAYOUT_HINT)
    unreadable = [each for each in examples if isinstance(each, Unreadable)]
    if len(unreadable) == len(examples):
        raise InputError(
            f"none of the {len(examples)} rows of {path} can be read; the first, "
            f"{unreadable[0].id}: {unreadable[0].reason}",
            hint="correct the rows, or give a model and texts that go together",
        )
    return examples


def stream_strictly(path: Path, *, scheme: Scheme) -> Iterator[LabelledText]:
    """Yields the rows of a file that is to be learned from, in constant memory.

    Args:
        path: As ``stream`` takes it.
        scheme: What its labels mean.

    Raises:
        InputError: As in ``stream``; also at the first row that cannot be read, with its place.
        StorageError: It may not be read.
    """
    for each in stream(path, scheme=scheme):
        if isinstance(each, Unreadable):
            raise InputError(
                f"{path.parent / each.id}: {each.reason}", hint="correct the row, or take it out"
            )
        yield each


def check_classes(examples: Iterable[LabelledText], *, scheme: Scheme, where: str) -> None:
    """Checks that there is something to tell apart.

    Args:
        examples: Labelled ones.
        scheme: What their labels mean.
        where: They are from, for the message.

    Raises:
        InputError: All of them have the same label, the same labels or the same number.
    """
    found: set[Any] = set()
    for each in examples:
        found.add(each.value if scheme.problem_type == "regression" else each.labels)
        if len(found) > 1:
            return
    said = " and ".join(_said(each) for each in found) or "none"
    raise InputError(
        f"every example of {where} has the same label: {said}",
        hint="give examples of at least two labels",
    )


def _said(label: Any) -> str:
    if isinstance(label, tuple):
        return ", ".join(map(repr, label)) or "none set"
    return str(label)


def _example(
    fields: Mapping[str, Any] | InputError, *, id: str, scheme: Scheme, is_labelled: bool
) -> LabelledText:
    if isinstance(fields, InputError):
        raise fields
    text = _text(fields, "text")
    pair = _text(fields, "text_pair") if fields.get("text_pair") is not None else None
    if scheme.pair and pair is None:
        raise InputError("it has no text_pair, and the model takes two texts")
    if scheme.pair is False and pair is not None:
        raise InputError("it has a text_pair, and the model takes one text")
    if not is_labelled:
        return LabelledText(id=id, text=text, text_pair=pair)
    label = fields.get("label")
    if label is None:
        raise InputError("it has no label")
    if scheme.problem_type == "regression":
        return LabelledText(id=id, text=text, text_pair=pair, value=_value(label))
    labels = _names(label, scheme)
    return LabelledText(id=id, text=text, text_pair=pair, labels=labels)


def _text(fields: Mapping[str, Any], name: str) -> str:
    text = fields.get(name)
    if text is None:
        raise InputError(f"it has no {name}")
    if not isinstance(text, str):
        raise InputError(f"its {name} is {_kind(text)}; a string was expected")
    if not text.strip():
        raise InputError(f"its {name} is empty")
    try:
        text.encode()
    except UnicodeEncodeError as err:  # JSON can spell half of a surrogate pair
        raise InputError(f"its {name} holds half of a surrogate pair") from err
    return text


def _value(label: Any) -> float:
    """Returns the number of a regression."""
    if isinstance(label, str) and _NUMBER.fullmatch(label.strip()):
        label = float(label)
    if isinstance(label, str):
        raise InputError(f"its label {label!r} is no number, and the model gives one")
    if isinstance(label, bool) or not isinstance(label, int | float):
        raise InputError(f"its label is {_kind(label)}; a number was expected")
    try:
        value = float(label)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise InputError("its label is not finite")
    return value


def _names(label: Any, scheme: Scheme) -> tuple[str, ...]:
    """Returns the names of the labels that are set."""
    if scheme.problem_type == "single_label_classification":
        if isinstance(label, str) and not label.strip():
            raise InputError("it has no label")
        return (_name(label, scheme.labels),)
    if isinstance(label, str):  # of a table
        label = label.split("|") if label.strip() else []
    if not isinstance(label, list):
        raise InputError(f"its label is {_kind(label)}; a list was expected, for several labels")
    names = {_name(each, scheme.labels): None for each in label}
    return tuple(sorted(names, key=scheme.labels.index) if scheme.labels else names)


def _name(label: Any, known: tuple[str, ...] | None) -> str:
    """Returns the name of one label, which may be given by the number of its place.

    Where a name of the model is itself a number, numbers are names only.
    """
    if isinstance(label, int) and not isinstance(label, bool):
        label = str(label)
    if not isinstance(label, str):
        raise InputError(
            f"its label is {_kind(label)}; a name, or the number of its place, was expected"
        )
    name = label.strip()
    if not name:
        raise InputError("one of its labels is empty")
    if known is None:
        return _new_name(name)
    if name in known:
        return name
    is_place = _PLACE.fullmatch(name) and not any(_PLACE.fullmatch(each) for each in known)
    if is_place and len(name) < 10 and int(name) < len(known):
        return known[int(name)]
    shown = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
    raise InputError(f"its label {name!r} is not one of the model's: {shown}")


def _new_name(name: str) -> str:
    """Returns a name that a model is to learn."""
    if _NUMBER.fullmatch(name) and not _PLACE.fullmatch(name):
        raise InputError(
            f"its label {name} is a number with a sign or a point; a name, or a whole number, was "
            "expected"
        )
    try:
        name.encode()
    except UnicodeEncodeError as err:
        raise InputError("its label holds half of a surrogate pair") from err
    return name


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the string {value!r}"
    return "null" if value is None else "a list" if isinstance(value, list) else "an object"
