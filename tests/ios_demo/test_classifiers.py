"""Classifiers that Python has just built, checked by Swift: the same rows and labels."""

import json
from pathlib import Path

import pytest

from tests.ios_demo import swift
from tests.platform_bundles import AppBundle

FIELDS = {
    "single": {"label", "scores"}, "pair": {"label", "scores"}, "several": {"labels", "scores"},
    "regression": {"score"},
}  # fmt: skip
"""Of an answer, by the bundle's name."""


@pytest.fixture(scope="module")
def built() -> None:
    if reason := swift.why_absent():
        pytest.skip(reason)
    finished = swift.run("swift", "build", "-j", "1", "--product", "pocketbert-check")
    assert finished.code == 0, finished.problems


@pytest.mark.conversion
@pytest.mark.parametrize("kind", FIELDS)
def test_swift_makes_the_rows_and_labels_of_every_example(
    built: None, app_classifiers: dict[str, AppBundle], kind: str, tmp_path: Path
) -> None:
    bundle = app_classifiers[kind].apps["ios"]
    (tmp_path / "public-key.bin").write_bytes(app_classifiers[kind].public_key)
    examples = json.loads((bundle / "vectors.json").read_bytes())["examples"]
    assert examples
    assert all(set(each["answer"]) == FIELDS[kind] for each in examples)
    finished = swift.run(
        ".build/debug/pocketbert-check", str(bundle), "--public-key",
        str(tmp_path / "public-key.bin"),
    )  # fmt: skip
    assert finished.code == 0, finished.problems
    assert finished.stderr.startswith("PASS reading of texts")
