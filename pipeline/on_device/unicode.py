"""Reads the tables of characters that a bundle carries.

Phones differ in their Unicode version, so an app asks these tables and never its own system.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.values.errors import InputError

LAST_CODE_POINT = 0x10FFFF
HIGHEST_CLASS = 254


class Ranges:
    """A set of characters as ranges of code points, looked up by binary search."""

    def __init__(self, pairs: list[tuple[int, int]]) -> None:
        self._firsts = [first for first, _ in pairs]
        self._lasts = [last for _, last in pairs]

    def __contains__(self, character: str) -> bool:
        point = ord(character)
        place = bisect_right(self._firsts, point) - 1
        return place >= 0 and point <= self._lasts[place]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yields each range, first and last."""
        return zip(self._firsts, self._lasts, strict=True)


@dataclass(frozen=True, kw_only=True)
class UnicodeTables:
    """What the tokenizer knows of characters.

    Attributes:
        removed: What cleaning drops: control and format characters, private use, U+FFFD.
        whitespace: What separates words.
        punctuation: What is a word by itself.
        nonspacing_marks: What stripping accents drops.
        chinese: What gets a space on either side.
        combining_classes: By character, for marks alone; all others have 0.
        decompositions: By character, its full canonical decomposition; Hangul is left out.
        lowercase: By character, for those that change.
    """

    removed: Ranges
    whitespace: Ranges
    punctuation: Ranges
    nonspacing_marks: Ranges
    chinese: Ranges
    combining_classes: Mapping[str, int]
    decompositions: Mapping[str, str]
    lowercase: Mapping[str, str]


def read_tables(path: Path) -> UnicodeTables:
    """Reads the tables.

    Raises:
        InputError: The file is absent, or damaged.
    """
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        return UnicodeTables(
            removed=_ranges(content, "removed"),
            whitespace=_ranges(content, "whitespace"),
            punctuation=_ranges(content, "punctuation"),
            nonspacing_marks=_ranges(content, "nonspacing_marks"),
            chinese=_ranges(content, "chinese"),
            combining_classes=_classes(content, "combining_classes"),
            decompositions=_changes(content, "decompositions"),
            lowercase=_changes(content, "lowercase"),
        )
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as err:
        raise InputError(
            f"no tables of characters at {path}", hint="build the bundle again"
        ) from err
    # Python's reader gives up on very deep nesting with an error of its own.
    except (ValueError, RecursionError) as err:
        raise InputError(
            f"{path} is damaged: {str(err) or 'it nests too deep'}", hint="build the bundle again"
        ) from err


def _ranges(content: dict[str, Any], name: str) -> Ranges:
    return Ranges([(first, last) for first, last in _rows(content, name, size=2)])


def _classes(content: dict[str, Any], name: str) -> dict[str, int]:
    rows = _rows(content, name, size=3)
    if any(not 0 < rank <= HIGHEST_CLASS for _, _, rank in rows):
        raise ValueError(f"{name} holds a class out of range")
    return {chr(point): rank for first, last, rank in rows for point in range(first, last + 1)}


def _changes(content: dict[str, Any], name: str) -> dict[str, str]:
    rows = _rows(content, name)
    points = [row[0] for row in rows]
    if points != sorted(set(points)):
        raise ValueError(f"{name} is not in ascending order")
    return {chr(point): "".join(map(chr, to)) for point, *to in rows}


def _rows(content: dict[str, Any], name: str, *, size: int = 0) -> list[list[int]]:
    """Returns one table: rows of code points, or, of a given size, ranges in ascending order."""
    rows = content.get(name)
    if not isinstance(rows, list) or not all(_is_row(row, size) for row in rows):
        raise ValueError(f"{name} is not a list of rows of code points")
    before = -1
    for first, last, *_ in rows if size else ():
        if not before < first <= last:
            raise ValueError(f"{name} is not in ascending order")
        before = last
    return rows


def _is_row(row: Any, size: int) -> bool:
    return (
        isinstance(row, list)
        and (len(row) == size if size else len(row) > 1)
        and all(type(point) is int and 0 <= point <= LAST_CODE_POINT for point in row)
    )
