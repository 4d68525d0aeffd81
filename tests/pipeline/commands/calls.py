"""Calls of the command line, and what is asked of the small bundle."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.command import Finished

CONTEXT = "The tower was lit in 1871 [citation needed], and the road to the harbour was closed."
QUESTION = "When was the tower lit?"

Call = Callable[..., Finished]


def refused(finished: Finished, *, code: int = 2) -> str:
    """Checks that a failure is told in one line that says what to do, and returns the line."""
    assert finished.code == code, finished.stderr
    assert finished.stdout == ""
    told = finished.stderr.splitlines()[-1]
    assert told.startswith("pocketbert: ")
    assert finished.stderr.count("pocketbert: ") == 1
    assert told.endswith(")"), "no hint"
    assert "bug of ours" not in told
    return told


def asked(call: Call, bundle: Path, *arguments: str | Path) -> Finished:
    return call(
        "ask", bundle, "-q", QUESTION, *arguments, "--runtime", "pytorch", "--runtime", "litert"
    )


def write_squad(path: Path, labels: dict[str, list[str]]) -> Path:
    """Writes questions over one context, each with the answers that count as right."""
    qas = [
        {"id": question, "question": question,
         "answers": [{"text": text, "answer_start": 0} for text in texts]}
        for question, texts in labels.items()
    ]  # fmt: skip
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": CONTEXT, "qas": qas}]}]}))
    return path
