"""LiteRT as it runs a finished file."""

from pathlib import Path

import pytest

from converters.tflite.runtime import load
from converters.values.artifact import Artifact
from converters.values.precision import FixedPrecision
from pipeline.student.load import Student
from tests.converters.conversion import SEQ_LENS, random_rows


def test_litert_keeps_its_weights_off_the_disk(
    artifacts: dict[str, dict[FixedPrecision, Artifact]],
    students: dict[str, Student],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [row] = random_rows(students["distilbert"], seq_len=SEQ_LENS[0], num_tokens=(9,))
    monkeypatch.chdir(tmp_path)  # where a path named ":memory" would lie
    artifact = artifacts["tflite"]["int8"]
    load(artifact, num_threads=1).run(row)
    assert list(tmp_path.iterdir()) == []
