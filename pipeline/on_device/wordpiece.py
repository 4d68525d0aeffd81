"""Cuts texts into WordPiece tokens exactly as the tokenizers library does, offsets included.

Each function is one rule of ``SPECIFICATION.md``, which has the numbers in the comments.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from converters.values.errors import InputError
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.on_device.unicode import UnicodeTables, read_tables

UNKNOWN = "[UNK]"

# Hangul syllables are taken apart by arithmetic: the Unicode Standard, section 3.12.
_FIRST_SYLLABLE, _LAST_SYLLABLE = 0xAC00, 0xD7A3
_FIRST_LEAD, _FIRST_VOWEL, _FIRST_TRAIL = 0x1100, 0x1161, 0x11A7
_NUM_VOWELS, _NUM_TRAILS = 21, 28

Piece = tuple[str, int]
"""A character of the normalized text, and the position in the text that it comes from."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """A text's tokens, without special ones around it.

    Attributes:
        offsets: ``(start, end)`` of each token in the text, in Unicode code points.
    """

    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]


class WordPiece:
    """BERT's tokenizer."""

    def __init__(
        self, settings: TokenizerPart, vocabulary: Sequence[str], tables: UnicodeTables
    ) -> None:
        """Prepares the look-ups.

        Args:
            settings: Of the manifest.
            vocabulary: Tokens in the order of their ids.
            tables: Of the bundle.

        Raises:
            InputError: The settings are none that a build writes.
        """
        self._settings = settings
        self._tables = tables
        # Tokens that were added after training are found in the text as it is, never in words.
        self._ids = {token: id_ for id_, token in enumerate(vocabulary[: settings.num_pieces])}
        self._longest = max(map(len, vocabulary))
        self._added = _longest_of(settings.added_tokens)
        normalized: dict[str, int] = {}
        for token, id_ in settings.normalized_added_tokens.items():
            made = "".join(character for character, _ in self._normalize(token, 0, len(token)))
            if not made or made in normalized:
                raise InputError(
                    f"nothing of its own is left of the added token {token!r}, normalized",
                    hint="build the bundle again",
                )
            normalized[made] = id_
        self._normalized_ids = normalized
        self._normalized = _longest_of(normalized)

    def tokenize(self, text: str) -> Tokens:
        """Returns the tokens of a text.

        Raises:
            InputError: The text holds half of a surrogate pair: it is no Unicode text.
        """
        check_text(text)
        found: list[tuple[str, int, int, int]] = []
        for start, end, token in _split(text, self._added):
            if token is not None:
                found.append((token, self._settings.added_tokens[token], start, end))
                continue
            found += self._tokenize_normalized(self._normalize(text, start, end))
        return Tokens(
            tokens=tuple(token for token, *_ in found),
            ids=tuple(id_ for _, id_, *_ in found),
            offsets=tuple((start, end) for *_, start, end in found),
        )

    def _tokenize_normalized(self, pieces: list[Piece]) -> Iterator[tuple[str, int, int, int]]:
        text = "".join(character for character, _ in pieces)
        for start, end, token in _split(text, self._normalized):
            part = pieces[start:end]
            if token is not None:
                yield token, self._normalized_ids[token], part[0][1], part[-1][1] + 1
                continue
            for word in self._split_words(part):
                yield from self._cut(word)

    def _normalize(self, text: str, start: int, end: int) -> list[Piece]:
        settings, tables = self._settings, self._tables
        pieces = list(zip(text[start:end], range(start, end), strict=True))
        if settings.clean_text:
            pieces = [
                (" " if character in tables.whitespace else character, source)
                for character, source in pieces
                if character not in tables.removed
            ]
        if settings.handle_chinese_chars:
            pieces = [
                (made, source)
                for character, source in pieces
                for made in (f" {character} " if character in tables.chinese else character)
            ]
        if settings.strip_accents:
            pieces = [
                piece
                for piece in self._decompose(pieces)
                if piece[0] not in tables.nonspacing_marks
            ]
        if settings.lowercase:
            pieces = [
                (made, source)
                for character, source in pieces
                for made in tables.lowercase.get(character, character)
            ]
        return pieces

    def _decompose(self, pieces: list[Piece]) -> list[Piece]:
        """Returns the canonical decomposition, in canonical order.

        The library gives sources by place, after it has put marks in order: each first character of
        a decomposition takes the next source, and each further one that of its neighbour.
        """
        classes = self._tables.combining_classes
        parts = [
            (part, place > 0)
            for character, _ in pieces
            for place, part in enumerate(self._decomposition(character))
        ]
        made, source = [], -1
        for _, run in groupby(parts, key=lambda part: part[0] in classes):
            for character, is_further in sorted(run, key=lambda part: classes.get(part[0], 0)):
                source += not is_further
                made.append((character, pieces[max(source, 0)][1]))
        return made

    def _decomposition(self, character: str) -> str:
        point = ord(character)
        if not _FIRST_SYLLABLE <= point <= _LAST_SYLLABLE:
            return self._tables.decompositions.get(character, character)
        rest, trail = divmod(point - _FIRST_SYLLABLE, _NUM_TRAILS)
        lead, vowel = divmod(rest, _NUM_VOWELS)
        jamo = chr(_FIRST_LEAD + lead) + chr(_FIRST_VOWEL + vowel)
        return jamo + chr(_FIRST_TRAIL + trail) if trail else jamo

    def _split_words(self, pieces: list[Piece]) -> Iterator[list[Piece]]:
        word: list[Piece] = []
        for piece in pieces:
            is_space = piece[0] in self._tables.whitespace
            if not is_space and piece[0] not in self._tables.punctuation:
                word.append(piece)
                continue
            if word:
                yield word
            if not is_space:
                yield [piece]
            word = []
        if word:
            yield word

    def _cut(self, word: list[Piece]) -> list[tuple[str, int, int, int]]:
        """Returns the longest tokens of the vocabulary, one after the other, or the unknown one."""
        settings = self._settings
        text = "".join(character for character, _ in word)
        unknown = (UNKNOWN, settings.special_tokens[UNKNOWN], word[0][1], word[-1][1] + 1)
        if len(text) > settings.max_input_chars_per_word:
            return [unknown]
        found, start = [], 0
        while start < len(text):
            prefix = settings.continuing_subword_prefix if start else ""
            for end in range(min(len(text), start + self._longest), start, -1):
                token = prefix + text[start:end]
                if token in self._ids:
                    break
            else:
                return [unknown]
            found.append((token, self._ids[token], word[start][1], word[end - 1][1] + 1))
            start = end
        return found


def _longest_of(tokens: Iterable[str]) -> re.Pattern[str]:
    """Returns what finds the longest of some tokens; None where there are none."""
    by_length = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, by_length)) or "(?!)")


def _split(text: str, tokens: re.Pattern[str]) -> Iterator[tuple[int, int, str | None]]:
    """Yields start and end of each part of a text, and the token that it is, if any."""
    start = 0
    for match in tokens.finditer(text):
        if start < match.start():
            yield start, match.start(), None
        yield match.start(), match.end(), match.group()
        start = match.end()
    if start < len(text):
        yield start, len(text), None


def check_text(text: str) -> None:
    """Refuses a text with half of a surrogate pair.

    Raises:
        InputError: It holds one.
    """
    for place, character in enumerate(text):
        if "\ud800" <= character <= "\udfff":
            raise InputError(
                f"the text is not valid Unicode: half of a surrogate pair at character {place}",
                hint="give it as UTF-8",
            )


def utf16_offsets(text: str, offsets: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Returns offsets in UTF-16 units, in which Kotlin's and many of Swift's strings count.

    Args:
        text: That the offsets point into.
        offsets: In code points.
    """
    places = [0]
    for character in text:
        places.append(places[-1] + (2 if character > "\uffff" else 1))
    return tuple((places[start], places[end]) for start, end in offsets)


def open_tokenizer(folder: Path, part: TokenizerPart) -> WordPiece:
    """Opens the tokenizer of a bundle.

    Args:
        folder: The bundle's.
        part: What its manifest says.

    Raises:
        InputError: A file of it is absent or damaged.
    """
    vocabulary = read_vocabulary(folder / part.vocabulary)
    named = {**part.special_tokens, **part.added_tokens, **part.normalized_added_tokens}
    for token, id_ in named.items():
        if not 0 <= id_ < len(vocabulary) or vocabulary[id_] != token:
            raise InputError(
                f"{folder / part.vocabulary} is not the manifest's: its token {id_} is not {token}",
                hint="build the bundle again",
            )
    if not 0 < part.num_pieces <= len(vocabulary):
        raise InputError(
            f"{folder / part.vocabulary} has {len(vocabulary)} tokens, and the manifest says that "
            f"words are cut into the first {part.num_pieces}",
            hint="build the bundle again",
        )
    return WordPiece(part, vocabulary, read_tables(folder / part.unicode_tables))


def read_vocabulary(path: Path) -> list[str]:
    """Returns the tokens in the order of their ids: one a line, and only a newline ends a line.

    Raises:
        InputError: The file is absent, or damaged.
    """
    try:
        lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as err:
        raise InputError(f"no vocabulary at {path}", hint="build the bundle again") from err
    except UnicodeDecodeError as err:
        raise InputError(
            f"{path} is not UTF-8: {err.reason} at byte {err.start}", hint="build the bundle again"
        ) from err
    if len(set(lines)) < len(lines):
        raise InputError(f"{path} holds a token twice", hint="build the bundle again")
    return lines
