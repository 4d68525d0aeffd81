"""Calibration: ranges of real tokens, by the names of the trace."""

import dataclasses

import numpy as np
import pytest
import torch

from pipeline.activations import MAX_EXAMPLES, calibrate
from pipeline.load import Student
from pipeline.squad import Question
from pipeline.trace import trace

EXAMPLE = Question(id="1", question="Who?", context="The engineer Rennie.", answers=("Rennie",))


@pytest.fixture(scope="module")
def student(students: dict[str, Student]) -> Student:
    return students["distilbert"]


def test_calibrate_names_the_linear_layers_of_the_trace(student: Student) -> None:
    ranges = calibrate(student, [EXAMPLE], seq_len=64)
    matrices = trace(student, seq_lens=(64,)).matrices()
    linear = {name: each for name, each in matrices.items() if "embeddings" not in name}
    assert ranges.keys() == linear.keys()
    for name, each in linear.items():
        assert ranges[name].output_scales.shape == (len(each),)


def test_calibrate_ignores_padding(student: Student) -> None:
    short, long = (calibrate(student, [EXAMPLE], seq_len=seq_len) for seq_len in (64, 384))
    for name, each in short.items():
        assert each.input_scale == long[name].input_scale
        assert each.input_zero_point == long[name].input_zero_point
        np.testing.assert_array_equal(each.output_scales, long[name].output_scales)


def test_calibrate_ranges_are_what_the_layer_took_and_gave(student: Student) -> None:
    (window,) = student.encode([EXAMPLE], seq_lens=(64,))[0].windows
    ids = torch.from_numpy(window.inputs["input_ids"][:, : window.num_tokens])
    with torch.no_grad():
        hidden = student.model.distilbert(input_ids=ids).last_hidden_state
        logits = student.model.qa_outputs(hidden)[0]
    found = calibrate(student, [EXAMPLE], seq_len=64)["model.qa_outputs.weight"]
    assert found.input_scale == pytest.approx(float(hidden.max() - hidden.min()) / 255, rel=1e-4)
    largest = logits.abs().amax(0).numpy()
    np.testing.assert_allclose(found.output_scales, largest / 127, rtol=1e-4)


def test_calibrate_reads_so_many_examples_and_no_more(student: Student) -> None:
    louder = dataclasses.replace(EXAMPLE, context="Rain fell on the island for nine days.")
    alone = calibrate(student, [EXAMPLE], seq_len=64)
    within = calibrate(student, [EXAMPLE, louder], seq_len=64)
    beyond = calibrate(student, [EXAMPLE] * MAX_EXAMPLES + [louder], seq_len=64)
    for name, each in alone.items():
        assert (within[name].output_scales >= each.output_scales).all()
        np.testing.assert_array_equal(beyond[name].output_scales, each.output_scales)
    assert any(within[name].input_scale > each.input_scale for name, each in alone.items())


def test_calibrate_leaves_the_student_as_it_was(student: Student) -> None:
    calibrate(student, [EXAMPLE], seq_len=64)
    assert not any(module._forward_hooks for module in student.model.modules())
