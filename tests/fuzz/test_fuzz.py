"""Every reader over damaged files: a sample in ``make test``, 100,000 cases each in ``make soak``.

The damage is seeded mutation rather than Hypothesis: it is a hundred times faster, it begins with
files of a hundred kilobytes, and a number repeats a case. ``test_arbitrary.py`` has Hypothesis.
"""

import json
import subprocess
import sys

import pytest

from tests.command import ROOT
from tests.fuzz import targets

SOAK = 100_000
SAMPLE = {
    "manifest": 2000, "rehashed-manifest": 1000, "zip": 500, "recipe": 2000, "tokenizer": 1000,
    "on-device": 1000, "pte": 100, "tflite": 400, "mlpackage": 200,
    "labelled": 3000, "classifier-config": 500, "classifier-vectors": 1000,
}  # fmt: skip
"""Cases. Each takes up to ten seconds, the imports of the reader included."""

LEAST_MUTATIONS = 0.9
"""Share of the cases that are mutations of valid files."""


@pytest.mark.parametrize("name", targets.NAMES)
def test_no_damaged_file_crashes_hangs_or_passes_for_a_good_one(name: str) -> None:
    fuzz(name, count=SAMPLE[name])


@pytest.mark.soak
@pytest.mark.parametrize("name", targets.NAMES)
def test_no_damaged_file_of_many_crashes_hangs_or_passes_for_a_good_one(name: str) -> None:
    fuzz(name, count=SOAK)


def fuzz(name: str, *, count: int) -> None:
    """Runs the cases in a process of its own, with all that native code may do to it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, "--count", str(count)],
        cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tally = json.loads(done.stdout)
    assert not tally["failures"], "\n".join(tally["failures"])
    assert tally["cases"] == tally["accepted"] + tally["refused"] == count
    assert tally["mutations"] >= LEAST_MUTATIONS * count
    print(f"{name}: {tally}, {count / tally['seconds']:.0f} a second")  # noqa: T201
