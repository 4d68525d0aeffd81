"""Tapped copies: they give what the blocks of the file under test compute, and change nothing."""

from pathlib import Path

import numpy as np
import pytest

from converters import backends
from converters.values.artifact import Artifact
from converters.values.precision import FixedPrecision
from pipeline.student.blocks import norm_blocks, run_blocks
from pipeline.student.load import Student
from tests.converters.conversion import SEQ_LENS, assert_no_block_is_alarming, random_rows, run

Artifacts = dict[str, dict[FixedPrecision, Artifact]]
RUNTIMES = {"executorch": "executorch", "tflite": "litert", "coreml": "coreml-reference"}


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_block_outputs_of_an_fp32_artifact_are_the_students_at_each_length(
    artifacts: Artifacts, students: dict[str, Student], backend: str, tmp_path: Path
) -> None:
    student, artifact = students["distilbert"], artifacts[backend]["fp32"]
    module = backends.backend(backend)
    tapped = module.tap(artifact, path=tmp_path / module.FILE_NAME)
    rows = [
        row
        for seq_len in SEQ_LENS
        for row in random_rows(student, seq_len=seq_len, num_tokens=(seq_len, 9))
    ]
    outputs = run({"fp32": tapped}, RUNTIMES[backend], rows)["fp32"]
    plain = run({"fp32": artifact}, RUNTIMES[backend], rows)["fp32"]
    for row, found, untapped in zip(rows, outputs, plain, strict=True):
        own = run_blocks(student, row)
        is_real = row["attention_mask"][0] == 1
        for number, name in enumerate(norm_blocks(student)):
            block = found[f"norm_{number}"].reshape(own[name].shape)
            np.testing.assert_allclose(block[is_real], own[name][is_real], atol=1e-4)
        for name, logits in untapped.items():
            np.testing.assert_array_equal(found[name], logits)


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_tapped_copy_holds_the_weights_of_the_file(
    artifacts: Artifacts, backend: str, tmp_path: Path
) -> None:
    module = backends.backend(backend)
    artifact = artifacts[backend]["int4"]
    tapped = module.tap(artifact, path=tmp_path / module.FILE_NAME)
    before, after = (module.read_matrices(each.path) for each in (artifact, tapped))
    assert before.keys() == after.keys()
    for function, matrices in before.items():
        for one, other in zip(matrices, after[function], strict=True):
            if isinstance(one.weight, np.ndarray):
                np.testing.assert_array_equal(one.weight, other.weight)
            else:
                np.testing.assert_array_equal(one.weight.values, other.weight.values)
                np.testing.assert_array_equal(one.weight.scales, other.weight.scales)


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_good_artifact_raises_no_alarm_at_any_precision(
    artifacts: Artifacts, students: dict[str, Student], backend: str
) -> None:
    assert_no_block_is_alarming(students["distilbert"], artifacts[backend], RUNTIMES[backend])
