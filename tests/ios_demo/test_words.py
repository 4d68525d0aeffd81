"""The string catalogs of the iOS demo, held against the words of its views and of its intent."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.command import ROOT

APP = ROOT / "ios_demo" / "App"
SOURCES = ROOT / "ios_demo" / "Sources" / "PocketBERTUI"
CATALOG = json.loads((SOURCES / "Resources" / "Localizable.xcstrings").read_bytes())["strings"]
APP_CATALOG = json.loads((APP / "Localizable.xcstrings").read_bytes())["strings"]
"""The app's own, where the system looks up what App Intents say."""
PLACEHOLDER = re.compile(r"%(?:@|lld)")


def test_every_word_of_the_catalog_is_used():
    written = set(literals(SOURCES.glob("Views/*.swift")))
    unused = {key for key in CATALOG if PLACEHOLDER.sub("%", key).replace("%%", "%") not in written}
    assert not unused


def test_plurals_keep_their_placeholders():
    for key, entry in CATALOG.items():
        for language in entry.get("localizations", {}).values():
            for form in language["variations"]["plural"].values():
                value = form["stringUnit"]["value"]
                assert PLACEHOLDER.findall(value) == PLACEHOLDER.findall(key)


def test_words_of_the_intent_are_those_of_the_catalog_of_the_app():
    intents = [APP / "AskIntent.swift", APP / "ClassifyIntent.swift"]
    assert set(literals(intents)) == set(APP_CATALOG)
    for intent in intents:
        # Title, description, and both of each parameter.
        assert len(list(literals([intent]))) == 2 + 2 * intent.read_text().count("@Parameter(") == 6


def test_no_other_source_of_the_app_has_words():
    others = [
        path
        for path in APP.glob("*.swift")
        if path.name not in ("AskIntent.swift", "ClassifyIntent.swift")
    ]
    # Of an error's details, which no one need understand.
    said = [each for each in literals(others) if " " in each]
    assert said == ["the app carries no folder pocketbert"]


def literals(paths: Iterable[Path]) -> Iterator[str]:
    """Yields every text in sources, with ``%`` in place of each interpolation."""
    for path in paths:
        text = re.sub(r"//.*", "", path.read_text())
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
