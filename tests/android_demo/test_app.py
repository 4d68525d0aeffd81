"""The Gradle project, as far as it can be read without Gradle."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT

DEMO = ROOT / "android_demo"
BUILD_FILES = sorted([*DEMO.glob("*.gradle.kts"), *DEMO.glob("*/build.gradle.kts")])
CATALOGUE = tomllib.loads((DEMO / "gradle" / "libs.versions.toml").read_text())

ACCESSOR = re.compile(r"\blibs\.([A-Za-z0-9.]+?)(?:\.get\(\)|(?=\)))")
"""How build files name what the catalogue holds."""


def test_version_that_is_referred_to_is_in_the_catalogue() -> None:
    entries = [*CATALOGUE["libraries"].values(), *CATALOGUE["plugins"].values()]
    named = [entry["version"]["ref"] for entry in entries if "version" in entry]
    assert set(named) <= set(CATALOGUE["versions"])
    # Those without are Compose's, whose versions its bill of materials gives.
    others = [entry["module"] for entry in entries if "version" not in entry]
    assert all(module.startswith("androidx.compose.") for module in others)


@pytest.mark.parametrize("path", BUILD_FILES, ids=lambda path: path.parent.name)
def test_build_file_names_what_the_catalogue_holds(path: Path) -> None:
    assert set(accessors_in(path)) <= set(catalogue_accessors())


def test_all_of_the_catalogue_is_used() -> None:
    used = {name for path in BUILD_FILES for name in accessors_in(path)}
    needed = set(catalogue_accessors()) - {f"versions.{name}" for name in CATALOGUE["versions"]}
    assert needed <= used


@pytest.mark.parametrize("path", BUILD_FILES, ids=lambda path: path.parent.name)
def test_build_file_closes_what_it_opens(path: Path) -> None:
    text = re.sub(r'//.*|"(?:\\.|[^"\\])*"', "", path.read_text())
    assert [text.count(each) for each in "({["] == [text.count(each) for each in ")}]"]


def test_gradle_is_pinned_and_checked() -> None:
    wrapper = (DEMO / "gradle" / "wrapper" / "gradle-wrapper.properties").read_text()
    assert re.search(r"^distributionUrl=https\\://.+/gradle-8\.[0-9.]+-bin\.zip$", wrapper, re.M)
    assert re.search(r"^distributionSha256Sum=[0-9a-f]{64}$", wrapper, re.M)


def accessors_in(path: Path) -> Iterator[str]:
    for found in ACCESSOR.finditer(path.read_text()):
        yield found[1]


def catalogue_accessors() -> Iterator[str]:
    """Yields how Gradle lets build files name the entries: with dots for dashes."""
    for kind, prefix in (("versions", "versions."), ("plugins", "plugins."), ("libraries", "")):
        for name in CATALOGUE[kind]:
            yield prefix + name.replace("-", ".")
