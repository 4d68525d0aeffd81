"""Texts that try every rule of the tokenizer: by hand, from the tables, and by a seeded chance."""

import json
import random
from collections.abc import Callable, Iterator

from pipeline.tasks.question_answering.squad import labelled_questions
from pipeline.tokenizer.unicode_tables import KEPT
from tests.vectors.by_hand import BY_HAND, CONTROLS, EMOJI, RIGHT_TO_LEFT, SCRIPTS

SURROGATES = range(0xD800, 0xE000)
LAST = 0x10FFFF
SEED = 1


def make_texts() -> list[str]:
    """Returns more than 5,000 texts, the same each time."""
    chance = random.Random(SEED)
    tables = json.loads(KEPT.read_bytes())
    passages = [each.context for each in labelled_questions()]
    words = sorted({word for passage in passages for word in passage.split()})
    marks = [
        chr(point)
        for first, last, _ in tables["combining_classes"]
        for point in range(first, last + 1)
    ]
    changing = [chr(row[0]) for name in ("decompositions", "lowercase") for row in tables[name]]
    makers: list[tuple[int, Callable[[], str]]] = [
        (300, lambda: _some(chance, (*EMOJI, "a", " ", "\u200d", "\ufe0f"), 1, 8)),
        (600, lambda: _marked(chance, changing, marks)),
        (400, lambda: _some(chance, (*RIGHT_TO_LEFT, " ", " ", "a1"), 2, 10)),
        (400, lambda: _some(chance, (*CONTROLS, "a", "é", "中", "!"), 1, 12)),
        (300, lambda: _syllables(chance)),
        (200, lambda: chance.choice(words) * chance.randrange(8, 40)),
        (200, lambda: _some(chance, (*SCRIPTS, " ", "-"), 2, 9)),
        (300, lambda: " ".join(chance.sample(words, chance.randrange(1, 30)))),
        (800, lambda: _some(chance, [*chance.sample(words, 4), *chance.sample(changing, 4),
                                     *chance.sample(marks, 2), *chance.sample(CONTROLS, 2),
                                     chance.choice(EMOJI), chance.choice(SCRIPTS), "[SEP]", "中",
                                     _anywhere(chance), " ", " ", ".", ","], 3, 40)),
    ]  # fmt: skip
    made = [*BY_HAND, *EMOJI, *RIGHT_TO_LEFT, *SCRIPTS, *_edges(tables), *_rows(tables)]
    made += [_from_plane(chance, plane) for plane in range(17) for _ in range(50)]
    made += [make() for count, make in makers for _ in range(count)]
    made += passages
    return list(dict.fromkeys(made))


def _edges(tables: dict[str, list[list[int]]]) -> Iterator[str]:
    """Yields the bounds of each range and their neighbours outside it, each within a word."""
    for name in (
        "removed", "whitespace", "punctuation", "nonspacing_marks", "chinese", "combining_classes"
    ):  # fmt: skip
        for first, last, *_ in tables[name]:
            points = (first - 1, first, last, last + 1)
            yield " ".join(f"a{chr(point)}b" for point in points if is_scalar(point))


def _rows(tables: dict[str, list[list[int]]]) -> Iterator[str]:
    """Yields every character that decomposes or has a lower case, some to a text."""
    for name in ("decompositions", "lowercase"):
        characters = [chr(row[0]) for row in tables[name]]
        for place in range(0, len(characters), 8):
            yield " ".join(f"{each} x{each}y" for each in characters[place : place + 8])


def is_scalar(point: int) -> bool:
    """Returns whether a text can hold a code point."""
    return 0 <= point <= LAST and point not in SURROGATES


def _anywhere(chance: random.Random) -> str:
    while True:
        point = chance.randrange(LAST + 1)
        if is_scalar(point):
            return chr(point)


def _from_plane(chance: random.Random, plane: int) -> str:
    points = [plane * 0x10000 + chance.randrange(0x10000) for _ in range(10)]
    return "".join(
        chr(point) + chance.choice(("", "", " ", "a")) for point in points if is_scalar(point)
    )


def _some(
    chance: random.Random, parts: "tuple[str, ...] | list[str]", least: int, most: int
) -> str:
    return "".join(chance.choices(parts, k=chance.randrange(least, most + 1)))


def _syllables(chance: random.Random) -> str:
    return "".join(
        chance.choice((chr(0xAC00 + chance.randrange(11172)), "가", " ", "\u302e"))
        for _ in range(chance.randrange(1, 9))
    )


def _marked(chance: random.Random, bases: list[str], marks: list[str]) -> str:
    """Returns characters with up to five marks each, in an order that is not the canonical one."""
    return "".join(
        chance.choice((chance.choice(bases), "a", "가", " "))
        + "".join(chance.choices(marks, k=chance.randrange(6)))
        for _ in range(chance.randrange(1, 8))
    )
