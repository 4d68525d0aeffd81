"""The matrices of a student are those of its trace, without a trace."""

import numpy as np
import pytest

from pipeline.student.load import Student
from pipeline.student.trace import trace
from tests.students import ARCHITECTURES


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_matrices_are_those_of_the_traced_student(
    students: dict[str, Student], architecture: str
) -> None:
    student = students[architecture]
    traced = trace(student, seq_lens=(16,)).matrices()
    found = student.matrices()
    assert list(found) == list(traced)
    for name, matrix in found.items():
        np.testing.assert_array_equal(matrix, traced[name])
