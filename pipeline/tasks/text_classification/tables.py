"""The rows of a table with a header, or of a file with an object in JSON a line, one by one.

``.tsv`` is parted by tabs and line ends alone, and a quote is a character like any other, as in the
files of GLUE. ``.csv`` is RFC 4180's. ``.jsonl`` holds an object a line.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from converters.values.errors import InputError, StorageError

LAYOUT_HINT = (
    "give a .tsv or .csv file that begins with a line of column names (text, perhaps text_pair, "
    'and label), or a .jsonl file with lines such as {"text": "…", "label": "…"}'
)

_MAX_FIELD_CHARACTERS = 10**7
"""Of a quoted field: above it a quote was left open, and the rest of the file is no field."""

Record = tuple[int, Mapping[str, Any] | InputError]
"""The line on which a row begins, from 1, and its fields or what is wrong with it."""


def read_records(path: Path, *, columns: Sequence[str], takes_pair: bool) -> Iterator[Record]:
    """Yields the rows of a file in its order, in memory that does not grow with their number.

    Args:
        path: A ``.tsv``, ``.csv`` or ``.jsonl`` file; UTF-8 with or without a byte order mark.
        columns: Those that a table must have.
        takes_pair: Whether it may have a column ``text_pair``.

    Raises:
        InputError: It is absent, a folder, of another kind, not UTF-8, no CSV, or its columns are
            others.
        StorageError: It may not be read.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind == ".jsonl":
        yield from _read_objects(path)
    elif kind in _TABLES:
        rows = _TABLES[kind](_lines(path), path)
        yield from _read_table(rows, path, columns=columns, takes_pair=takes_pair)
    else:
        raise InputError(
            f"{path} is no table: its name ends in {kind!r}"
            if kind
            else f"{path} is no table: its name has no ending",
            hint=LAYOUT_HINT,
        )


def _lines(path: Path) -> Iterator[str]:
    """Yields the lines of a file with their ends; only a line feed ends one."""
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint="name the file inside the folder")
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield _decoded(
                    line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, path, number
                )
    except FileNotFoundError as err:
        raise InputError(f"there is no file {path}", hint="check the path") from err
    except PermissionError as err:
        raise StorageError(f"{path} may not be read", hint="check its permissions") from err


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as err:
        raise InputError(
            f"{path}:{number} is not UTF-8: byte {err.start} of the line cannot be decoded",
            hint="save the file as UTF-8",
        ) from err


def _read_objects(path: Path) -> Iterator[Record]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.rstrip())
        except json.JSONDecodeError as err:
            yield number, InputError(f"it is not JSON: column {err.colno}: {err.msg}")
        except RecursionError:
            yield number, InputError("it cannot be read as JSON: it nests too deeply")
        except ValueError as err:  # integers of thousands of digits
            yield number, InputError(f"it cannot be read as JSON: {err}")
        else:
            is_object = isinstance(value, dict)
            yield number, value if is_object else InputError("an object in JSON was expected")


_Row = tuple[int, list[str]]
"""The line on which a row begins, from 1, and its fields."""


def _tab_rows(lines: Iterator[str], path: Path) -> Iterator[_Row]:
    del path
    for number, line in enumerate(lines, start=1):
        fields = line.removesuffix("\n").removesuffix("\r").split("\t")
        if fields != [""]:
            yield number, fields


def _comma_rows(lines: Iterator[str], path: Path) -> Iterator[_Row]:
    # The limit is one of the process; the default, 131,072, is less than a long text.
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    reader = csv.reader(lines, strict=True)
    begin = 1
    try:
        for fields in reader:
            if fields:
                yield begin, fields
            begin = reader.line_num + 1
    except csv.Error as err:
        raise InputError(
            f"{path}:{begin} is not CSV: {err}",
            hint="close each quote, and double those within a quoted field",
        ) from err


_TABLES: Mapping[str, Callable[[Iterator[str], Path], Iterator[_Row]]] = {
    ".tsv": _tab_rows,
    ".csv": _comma_rows,
}


def _read_table(
    rows: Iterator[_Row], path: Path, *, columns: Sequence[str], takes_pair: bool
) -> Iterator[Record]:
    header = next(rows, (1, []))[1]
    _check_header(header, path, columns=columns, takes_pair=takes_pair)
    for line, fields in rows:
        if len(fields) == len(header):
            yield line, dict(zip(header, fields, strict=True))
        else:
            yield line, InputError(f"it has {len(fields)} fields, and the header {len(header)}")


def _check_header(
    header: Sequence[str], path: Path, *, columns: Sequence[str], takes_pair: bool
) -> None:
    for name in columns:
        if name not in header:
            shown = ", ".join(repr(each) for each in header)
            came = f"its first line has {shown[:200]}" if header else "it is empty"
            raise InputError(f"{path} has no column {name!r}: {came}", hint=LAYOUT_HINT)
    for name in ("text", "text_pair", "label"):
        if header.count(name) > 1:
            raise InputError(f"{path} has the column {name!r} twice", hint="rename one of them")
    if not takes_pair and "text_pair" in header:
        raise InputError(
            f"{path} has a column 'text_pair', and the model takes one text",
            hint="take the column out, or use a model of pairs",
        )
