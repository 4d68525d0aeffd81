"""The operators of our own packages: each has a test on random arguments."""

from pathlib import Path

import pytest

from converters.coreml_evaluator.evaluator import read_program
from converters.values.artifact import Artifact
from converters.values.precision import FIXED_PRECISIONS, FixedPrecision
from pipeline.student.load import Student
from tests.converters.conversion import convert_all
from tests.converters.coreml_evaluator import test_weights as weights
from tests.converters.coreml_evaluator.test_properties import PROPERTIES

TESTED = {*PROPERTIES, *(name for _, name, _ in weights.CASES), "const"}


def test_operators_at_several_lengths_have_a_test(
    artifacts: dict[str, dict[FixedPrecision, Artifact]],
) -> None:
    for precision, artifact in artifacts["coreml"].items():
        found = _operators(artifact.path)
        assert len(read_program(artifact.path).functions) > 1
        assert found <= TESTED, f"{precision}: no test for {sorted(found - TESTED)}"


@pytest.mark.parametrize(
    ("architecture", "precisions"),
    [
        ("distilbert", FIXED_PRECISIONS),
        # What the weights are stored as does not depend on the encoder.
        ("bert", ("fp16",)),
        ("mobilebert", ("fp16",)),
        ("electra", ("fp16",)),
    ],
)
def test_operators_at_one_length_have_a_test(
    architecture: str,
    precisions: tuple[FixedPrecision, ...],
    students: dict[str, Student],
    tmp_path: Path,
) -> None:
    """One length makes a package for an older system, whose compressed weights are others."""
    made = convert_all(students[architecture], "coreml", precisions, tmp_path, seq_lens=(16,))

    found = {precision: _operators(artifact.path) for precision, artifact in made.items()}

    assert set(found) == set(precisions)
    for precision, operators in found.items():
        assert operators <= TESTED, f"{precision}: no test for {sorted(operators - TESTED)}"
        is_compressed = any(name.startswith("constexpr_") for name in operators)
        assert is_compressed == (precision in ("int8", "int4"))


def _operators(path: Path) -> set[str]:
    functions = read_program(path).functions.values()
    return {op.op_type for function in functions for op in function.operations}
