"""The string catalog of the iOS demo, held against the words of its views."""

import json
import re
from collections.abc import Iterator

from tests.command import ROOT

SOURCES = ROOT / "ios_demo" / "Sources" / "PocketBERTUI"
CATALOG = json.loads((SOURCES / "Resources" / "Localizable.xcstrings").read_bytes())["strings"]
PLACEHOLDER = re.compile(r"%(?:@|lld)")


def test_every_word_of_the_catalog_is_used():
    written = set(literals())
    unused = {key for key in CATALOG if PLACEHOLDER.sub("%", key).replace("%%", "%") not in written}
    assert not unused


def test_plurals_keep_their_placeholders():
    for key, entry in CATALOG.items():
        for language in entry.get("localizations", {}).values():
            for form in language["variations"]["plural"].values():
                value = form["stringUnit"]["value"]
                assert PLACEHOLDER.findall(value) == PLACEHOLDER.findall(key)


def literals() -> Iterator[str]:
    """Yields every text in the views' sources, with ``%`` in place of each interpolation."""
    for path in SOURCES.glob("Views/*.swift"):
        text = path.read_text()
        place = 0
        while (place := text.find('"', place)) >= 0:
            literal, place = literal_at(text, place + 1)
            yield literal


def literal_at(text: str, place: int) -> tuple[str, int]:
    """Returns the text that begins at a place, and where what follows it begins."""
    made = ""
    while text[place] != '"':
        if text.startswith("\\(", place):
            made += "%"
            place = end_of_interpolation(text, place + 2)
        else:
            made += text[place]
            place += 1
    return made, place + 1


def end_of_interpolation(text: str, place: int) -> int:
    depth = 1
    while depth:
        depth += (text[place] == "(") - (text[place] == ")")
        place += 1
    return place
