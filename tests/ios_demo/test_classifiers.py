"""Classifiers that Python has just built, checked by Swift: the same rows and labels."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.classifiers import save_classifier
from tests.ios_demo import swift
from tests.platform_bundles import build_for_platform

WORDS = ("good", "bad", "dark", "bright", "old", "new", "red", "blue")


@pytest.fixture(scope="module")
def built() -> None:
    if reason := swift.why_absent():
        pytest.skip(reason)
    finished = swift.run("swift", "build", "-j", "1", "--product", "pocketbert-check")
    assert finished.code == 0, finished.problems


@pytest.mark.conversion
@pytest.mark.parametrize(
    ("student", "values", "fields"),
    [
        ({}, ("negative", "positive"), {"label", "scores"}),
        pytest.param(
            {"problem_type": "multi_label_classification", "text_pair": True},
            ("negative|positive", ""),
            {"labels", "scores"},
            marks=pytest.mark.soak,
        ),
    ],
    ids=["one label", "several labels of pairs"],
)
def test_swift_makes_the_rows_and_labels_of_every_example(
    built: None, student: dict[str, Any], values: tuple[str, str], fields: set[str], tmp_path: Path
) -> None:
    data = tmp_path / "texts.tsv"
    pair = "\ttext_pair" if student.get("text_pair") else ""
    lines = [
        f"the lamp was {word}{pair and f'{chr(9)}it was {word}'}\t{values[place % 2]}"
        for place, word in enumerate(WORDS)
    ]
    data.write_text("\n".join([f"text{pair}\tlabel", *lines]) + "\n")
    key = build_for_platform(
        "ios", ("executorch",), save_classifier("distilbert", tmp_path / "student", **student),
        tmp_path, seq_lens=(16, 32), data=data, options=("--precision", "fp32"),
    )  # fmt: skip
    (tmp_path / "public-key.bin").write_bytes(key)
    bundle = tmp_path / "ios" / "pocketbert"
    examples = json.loads((bundle / "vectors.json").read_bytes())["examples"]
    assert examples
    assert all(set(each["answer"]) == fields for each in examples)
    finished = swift.run(
        ".build/debug/pocketbert-check", str(bundle), "--public-key",
        str(tmp_path / "public-key.bin"),
    )  # fmt: skip
    assert finished.code == 0, finished.problems
    assert finished.stderr.startswith("PASS reading of texts")
