"""Damages valid files, by seed: their bytes, or the structure of their JSON."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

CORPUS = Path(__file__).with_name("corpus")
"""Valid artifacts and tokenizer files, which ``make_corpus`` wrote."""

SHARE_ARBITRARY = 0.04
"""Of the cases; the others are mutations of valid files."""

_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1,
             2**64 - 1, 2**64 - 8, 4 * 10**9)  # fmt: skip
_NEAR_AN_END = 4096
"""Bytes. Formats keep what leads to the rest at their beginnings and ends."""


class Members(list[tuple[str, Any]]):
    """Of a JSON object, in their order; a key may come twice."""


class Raw(str):
    """Stands in a JSON value for itself, letter by letter."""


_OTHER_VALUES = (
    None, True, False, 0, -1, 1, 0.5, 2**31, 2**63, 2**64, "", "0", "a\0b", "../outside",
    "x" * 5000, [], Members(), [0], Raw("1e999"), Raw("-0"), Raw("NaN"), Raw("-Infinity"),
    Raw("9" * 5000), Raw('"\\ud800"'), Raw("[" * 5000 + "]" * 5000),
    Raw('{"a":' * 5000 + "1" + "}" * 5000), Raw("[" * 50_000), Raw("01"), Raw("1,"),
)  # fmt: skip


def mutate_bytes(random: Random, valid: Sequence[bytes]) -> bytes:
    """Returns one of some valid files with one to four changes, never as it was."""
    original = random.choice(valid)
    damaged = bytearray(original)
    while damaged == original:
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            random.choice(_BYTE_CHANGES)(random, damaged, random.choice(valid))
    return bytes(damaged)


def mutate_json(random: Random, valid: Sequence[bytes]) -> bytes:
    """Returns one of some valid JSON files with one to three changes of its structure."""
    original = random.choice(valid)
    damaged = original
    while damaged == original:
        value = json.loads(original, object_pairs_hook=Members)
        for _ in range(random.choice((1, 1, 2, 3))):
            places = list(_places(value))
            if places:
                random.choice(_JSON_CHANGES)(random, *random.choice(places))
        damaged = "".join(_written(value)).encode("utf-8", "surrogatepass")
    return damaged


def arbitrary(random: Random, valid: Sequence[bytes]) -> bytes:
    """Returns bytes that owe nothing to a valid file but, at times, its first few."""
    start = random.choice(valid)[: random.choice((0, 4, 8, 64))]
    return start + random.randbytes(random.choice((0, 1, 16, 300, 5000)))


def _place(random: Random, damaged: bytearray) -> int:
    size = len(damaged)
    where = random.random()
    if where < 0.3:
        return random.randrange(min(size, _NEAR_AN_END) + 1)
    if where < 0.5:
        return size - random.randrange(min(size, _NEAR_AN_END) + 1)
    return random.randrange(size + 1)


def _flip(random: Random, damaged: bytearray, other: bytes) -> None:
    place = _place(random, damaged)
    if place < len(damaged):
        damaged[place] ^= 1 << random.randrange(8)


def _set_byte(random: Random, damaged: bytearray, other: bytes) -> None:
    place = _place(random, damaged)
    damaged[place : place + 1] = random.choice(
        (b"\0", b"\1", b"\x7f", b"\xff", random.randbytes(1))
    )


def _set_integer(random: Random, damaged: bytearray, other: bytes) -> None:
    size = random.choice((1, 2, 4, 4, 8))
    place = _place(random, damaged) // size * size
    if place + size > len(damaged):
        return
    before = int.from_bytes(damaged[place : place + size], "little")
    value = random.choice((*_EXTREMES, before + 1, before - 1, before * 2, len(damaged)))
    damaged[place : place + size] = (value % 256**size).to_bytes(size, "little")


def _cut_off(random: Random, damaged: bytearray, other: bytes) -> None:
    del damaged[_place(random, damaged) :]


def _insert(random: Random, damaged: bytearray, other: bytes) -> None:
    place = _place(random, damaged)
    damaged[place:place] = random.choice((b"\0", b"\xff", random.randbytes(4), bytes(64)))


def _delete(random: Random, damaged: bytearray, other: bytes) -> None:
    place = _place(random, damaged)
    del damaged[place : place + random.choice((1, 2, 4, 8, 100))]


def _splice(random: Random, damaged: bytearray, other: bytes) -> None:
    """The beginning of one valid file, and the end of another."""
    place = _place(random, damaged)
    damaged[place:] = other[random.choice((place, random.randrange(len(other)))) :]


def _overwrite(random: Random, damaged: bytearray, other: bytes) -> None:
    place, size = _place(random, damaged), random.choice((4, 16, 256))
    start = random.randrange(len(other))
    damaged[place : place + size] = other[start : start + size]


def _repeat(random: Random, damaged: bytearray, other: bytes) -> None:
    place, size = _place(random, damaged), random.choice((1, 8, 100, 1000))
    damaged[place:place] = damaged[place : place + size]


def _swap(random: Random, damaged: bytearray, other: bytes) -> None:
    first, second = sorted((_place(random, damaged), _place(random, damaged)))
    size = min(random.choice((1, 4, 16, 100)), second - first, len(damaged) - second)
    one, two = damaged[first : first + size], damaged[second : second + size]
    damaged[first : first + size], damaged[second : second + size] = two, one


_BYTE_CHANGES: tuple[Callable[[Random, bytearray, bytes], None], ...] = (
    _flip, _flip, _set_byte, _set_integer, _set_integer, _set_integer, _cut_off, _insert, _delete,
    _splice, _overwrite, _repeat, _swap,
)  # fmt: skip


def _places(value: Any) -> Iterator[tuple[list[Any], int]]:
    """Yields every list that a value holds, or list of members, with every number in it."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield value, index
            yield from _places(item[1] if isinstance(value, Members) else item)


def _drop(random: Random, within: list[Any], index: int) -> None:
    if index < len(within):
        del within[index]


def _double(random: Random, within: list[Any], index: int) -> None:
    if index < len(within):
        within.insert(random.randrange(len(within) + 1), within[index])


def _rename(random: Random, within: list[Any], index: int) -> None:
    if isinstance(within, Members) and index < len(within):
        key, value = within[index]
        others = [other for other, _ in within]
        new = random.choice((key + "_", key[:-1], key.upper(), "", "a\0b", "../x", *others))
        within[index] = (new, value)


def _replace(random: Random, within: list[Any], index: int) -> None:
    if index < len(within):
        # A later change may put something into it.
        _set(within, index, copy.copy(random.choice(_OTHER_VALUES)))


def _nudge(random: Random, within: list[Any], index: int) -> None:
    if index < len(within):
        value = within[index][1] if isinstance(within, Members) else within[index]
        if isinstance(value, bool):
            _set(within, index, not value)
        elif isinstance(value, int | float):
            _set(within, index, random.choice((value + 1, value - 1, -value, float(value))))
        elif isinstance(value, str) and not isinstance(value, Raw):
            _set(within, index, random.choice((value + "x", value[1:], value.upper(), value * 2)))


def _exchange(random: Random, within: list[Any], index: int) -> None:
    if index < len(within):
        other = random.randrange(len(within))
        within[index], within[other] = within[other], within[index]


def _set(within: list[Any], index: int, value: Any) -> None:
    within[index] = (within[index][0], value) if isinstance(within, Members) else value


_JSON_CHANGES: tuple[Callable[[Random, list[Any], int], None], ...] = (
    _drop, _double, _rename, _replace, _replace, _nudge, _nudge, _exchange,
)  # fmt: skip


def _written(value: Any) -> Iterator[str]:
    if isinstance(value, Raw):
        yield value
    elif isinstance(value, Members):
        for index, (key, item) in enumerate(value):
            yield f"{',' if index else '{'}{json.dumps(key, ensure_ascii=False)}:"
            yield from _written(item)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield "," if index else "["
            yield from _written(item)
        yield "]" if value else "[]"
    else:
        yield json.dumps(value, ensure_ascii=False)
