"""What the sources of the iOS demo must not hold."""

import re

import pytest

from tests.ios_demo.swift import DEMO

ENDS_THE_APP = re.compile(
    r"\btry!|\bas!|\bfatalError\(|\bpreconditionFailure\(|@unchecked|nonisolated\(unsafe\)"
)
"""What may end the app at data, or hides from the compiler what is shared between threads."""


@pytest.mark.parametrize(
    "path",
    sorted([*DEMO.glob("Sources/**/*.swift"), *DEMO.glob("App/*.swift")]),
    ids=lambda path: path.stem,
)
def test_sources_end_at_no_data_and_hide_nothing_that_is_shared(path):
    assert not ENDS_THE_APP.findall(path.read_text())


def test_tests_say_why_they_hide_something_that_is_shared():
    lines = [
        line for path in DEMO.glob("Tests/**/*.swift") for line in path.read_text().split("\n")
    ]
    hidden = [line for line in lines if "@unchecked" in line or "nonisolated(unsafe)" in line]
    assert hidden
    assert all("//" in line for line in hidden)
