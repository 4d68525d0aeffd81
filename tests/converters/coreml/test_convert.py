"""What a package is called by, and on which systems."""

from pathlib import Path

from converters.coreml_evaluator.reader import read_program
from pipeline.student.load import Student
from tests.converters.conversion import convert_all


def test_coreml_artifact_of_one_length_is_called_main(
    students: dict[str, Student], tmp_path: Path
) -> None:
    made = convert_all(students["distilbert"], "coreml", ["fp32"], tmp_path, seq_lens=(16,))
    assert made["fp32"].entry_points == ("main",)
    assert set(read_program(made["fp32"].path).functions) == {"main"}
    assert made["fp32"].requires == {"ios": "17.0", "macos": "14.0"}
