"""Makes the tables of characters that a bundle carries, by asking the tokenizers library.

Phones differ in their Unicode version, and the library mixes several: its own answers, character by
character, are the only tables that repeat it. ``unicode.json`` holds them; this makes
it again: ``python -m pipeline.tokenizer.unicode_tables``.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

import tokenizers
from tokenizers.normalizers import NFD, BertNormalizer, Lowercase, Normalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from converters.values.errors import PocketBertError
from pipeline.files.canonical import canonical_json

KEPT = Path(str(resources.files(__package__) / "unicode.json"))
"""The tables of the tokenizers library that is pinned."""

_BETWEEN = "0"
"""Stands between the characters that are asked about: no rule changes it or makes another of it."""

_HANGUL = range(0xAC00, 0xD7A4)
"""Syllables, which an app takes apart by the algorithm of the Unicode Standard, section 3.12."""

_LOWEST, _HIGHEST = "\u0334", "\u0345"
"""Marks of the combining classes 1 and 240, between which all others lie."""

_BLOCK = 0x1000
"""Characters that are split at once; the library is slow at splitting long texts."""


def make_tables() -> bytes:
    """Returns the tables as a bundle holds them: canonical JSON, with ranges as first and last."""
    characters = [chr(point) for point in _scalars() if chr(point) != _BETWEEN]
    cleaned = _ask(_bert(clean_text=True), characters)
    spaced = _ask(_bert(handle_chinese_chars=True), characters)
    decomposed = _ask(NFD(), characters)
    stripped = _ask(_bert(strip_accents=True), characters)
    lowered = _ask(Lowercase(), characters)
    whitespace, punctuation = _split(characters)
    removed = {each for each, made in cleaned.items() if made == ""}
    if {each for each, made in cleaned.items() if made == " "} != whitespace - removed:
        raise PocketBertError("cleaning and splitting disagree about white space")
    return canonical_json(
        {
            "tokenizers_version": tokenizers.__version__,
            "removed": _ranges(removed),
            "whitespace": _ranges(whitespace),
            "punctuation": _ranges(punctuation),
            "nonspacing_marks": _ranges(
                each for each in characters if decomposed[each] == each and stripped[each] == ""
            ),
            "chinese": _ranges(each for each, made in spaced.items() if made == f" {each} "),
            "combining_classes": _classes(
                [each for each in characters if decomposed[each] == each]
            ),
            "decompositions": _changes(
                {each: made for each, made in decomposed.items() if ord(each) not in _HANGUL}
            ),
            "lowercase": _changes(lowered),
        }
    )


def _scalars() -> Iterator[int]:
    """Yields every code point that text can hold: all but the surrogates."""
    yield from range(0xD800)
    yield from range(0xE000, 0x110000)


def _bert(
    *, clean_text: bool = False, handle_chinese_chars: bool = False, strip_accents: bool = False
) -> Normalizer:
    return BertNormalizer(
        clean_text=clean_text,
        handle_chinese_chars=handle_chinese_chars,
        strip_accents=strip_accents,
        lowercase=False,
    )


def _ask(normalizer: Normalizer, texts: list[str]) -> dict[str, str]:
    """Returns what a normalizer makes of each text alone."""
    made = normalizer.normalize_str(_BETWEEN.join(texts)).split(_BETWEEN)
    return dict(zip(texts, made, strict=True))


def _split(characters: list[str]) -> tuple[set[str], set[str]]:
    """Returns the characters that vanish between words, and those that are words by themselves."""
    splitter = BertPreTokenizer()
    whitespace: set[str] = set()
    punctuation: set[str] = set()
    for start in range(0, len(characters), _BLOCK):
        block = characters[start : start + _BLOCK]
        text = _BETWEEN + "".join(each + _BETWEEN for each in block)
        # Character i stands at 2 i + 1. White space is in no word; punctuation is one of its own.
        covered: set[int] = set()
        for word, (first, last) in splitter.pre_tokenize_str(text):
            covered.update(range(first, last))
            if last == first + 1 and word != _BETWEEN:
                punctuation.add(word)
        whitespace.update(each for i, each in enumerate(block) if 2 * i + 1 not in covered)
    return whitespace, punctuation


def _classes(characters: list[str]) -> list[list[int]]:
    """Returns ``[first, last, class]`` of the characters that canonical order moves.

    All that the library tells is which of two neighbours it swaps: the first goes behind the second
    if its class is higher and the second has one. So known marks, one of each class, measure the
    others. Python knows them; the class of a character never changes with the version of Unicode.

    Args:
        characters: That do not decompose.
    """
    highest = _ask(NFD(), [_HIGHEST + each for each in characters])
    lowest = _ask(NFD(), [each + _LOWEST for each in characters])
    marks = {pair[1] for pair, made in highest.items() if made != pair}
    marks |= {pair[0] for pair, made in lowest.items() if made != pair}
    measures = {unicodedata.combining(mark): mark for mark in sorted(marks, reverse=True)}
    measures.pop(0, None)  # marks that are newer than Python
    found = [
        [first, last, rank]
        for rank, measure in sorted(measures.items())
        for first, last in _ranges(mark for mark in marks if _is_equal(mark, measure))
    ]
    if sum(last + 1 - first for first, last, _ in found) != len(marks):
        raise PocketBertError("some mark is of a combining class that Python does not know")
    return sorted(found)


def _is_equal(mark: str, other: str) -> bool:
    """Returns whether two marks are of one class: they stay as they are in either order."""
    order = NFD()
    return all(order.normalize_str(pair) == pair for pair in (mark + other, other + mark))


def _changes(made: dict[str, str]) -> list[list[int]]:
    """Returns ``[code point, code points that take its place…]`` for what changes."""
    return [[ord(each), *map(ord, to)] for each, to in made.items() if to != each]


def _ranges(characters: Iterable[str]) -> list[list[int]]:
    """Returns ``[first, last]`` of each run of neighbouring code points."""
    found: list[list[int]] = []
    for point in sorted(map(ord, characters)):
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return found


if __name__ == "__main__":
    KEPT.write_bytes(make_tables())
