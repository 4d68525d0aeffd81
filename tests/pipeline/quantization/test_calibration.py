"""Calibration: what linear layers take and give over real tokens, by the names of the trace."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.quantization.calibration import (
    MAX_CONTEXTS,
    MAX_EXAMPLES,
    activation_ranges,
    second_moments,
)
from pipeline.student.load import Student
from pipeline.student.trace import trace
from pipeline.tasks.question_answering.squad import Question
from tests.students import ARCHITECTURES

EXAMPLE = Question(id="1", question="Who?", context="The engineer Rennie.", answers=("Rennie",))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_linear_layer_is_named_as_the_trace_names_it(
    students: dict[str, Student], architecture: str
) -> None:
    student = students[architecture]
    matrices = trace(student, seq_lens=(32,)).matrices()
    moments = second_moments(student, student.task.own_examples()[:6:5])

    assert moments.keys() == {name for name in matrices if "embeddings." not in name} | {
        name for name in matrices if "embedding_transformation" in name
    }
    for name, moment in moments.items():
        assert moment.shape == (matrices[name].shape[1],) * 2
        assert np.array_equal(moment, moment.T)
        assert np.linalg.eigvalsh(moment).min() > -1e-3 * np.trace(moment)


def test_moments_are_means_over_the_tokens_of_all_rows(students: dict[str, Student]) -> None:
    student = students["distilbert"]
    examples = student.task.own_examples()[:11:5]
    first = student.model.distilbert.transformer.layer[0].attention.q_lin
    seen: list[torch.Tensor] = []
    handle = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0].double()))
    try:
        moments = second_moments(student, examples)
    finally:
        handle.remove()

    tokens = torch.cat(seen).numpy()  # (tokens, columns)
    expected = tokens.T @ tokens / len(tokens)
    for part in ("q_lin", "k_lin", "v_lin"):
        name = f"model.distilbert.transformer.layer.0.attention.{part}.weight"
        np.testing.assert_allclose(moments[name], expected, rtol=1e-4, atol=1e-5)


def test_padding_is_left_out(students: dict[str, Student]) -> None:
    student = students["distilbert"]
    lengths: list[tuple[int, int]] = []  # of padding, for which the mask is not zero, and of rows
    handle = student.model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(
            (int((kwargs["attention_mask"] != 0).sum()), kwargs["input_ids"].shape[1])
        ),
        with_kwargs=True,
    )
    try:
        second_moments(student, student.task.own_examples()[:6:5])
    finally:
        handle.remove()

    expected = [
        window.num_tokens
        for item in student.encode(student.task.own_examples()[:6:5], seq_lens=(384,))
        for window in item.rows
    ]
    assert lengths == [(0, length) for length in expected]


def test_calibrating_leaves_no_hooks_behind(students: dict[str, Student]) -> None:
    student = students["distilbert"]
    second_moments(student, student.task.own_examples()[:1])

    assert not any(module._forward_hooks for module in student.model.modules())


def test_one_question_is_read_for_each_context_and_no_more_than_enough(
    students: dict[str, Student],
) -> None:
    student = students["distilbert"]
    base = student.task.own_examples()[0]
    contexts = [f"The lighthouse has {number} steps." for number in range(2 * MAX_CONTEXTS + 1)]
    examples = [replace(base, context=context) for context in contexts for _ in range(2)]
    calls: list[int] = []
    handle = student.model.register_forward_pre_hook(lambda module, args: calls.append(1))
    try:
        second_moments(student, examples)
    finally:
        handle.remove()

    assert MAX_CONTEXTS / 2 <= len(calls) <= MAX_CONTEXTS


def test_ranges_name_the_linear_layers_of_the_trace(students: dict[str, Student]) -> None:
    student = students["distilbert"]
    ranges = activation_ranges(student, [EXAMPLE])
    matrices = trace(student, seq_lens=(64,)).matrices()
    linear = {name: each for name, each in matrices.items() if "embeddings" not in name}
    assert ranges.keys() == linear.keys()
    for name, each in linear.items():
        assert ranges[name].output_scales.shape == (len(each),)


def test_ranges_are_what_the_layer_took_and_gave(students: dict[str, Student]) -> None:
    student = students["distilbert"]
    (window,) = student.encode([EXAMPLE], seq_lens=(64,))[0].rows
    ids = torch.from_numpy(window.inputs["input_ids"][:, : window.num_tokens])
    with torch.no_grad():
        hidden = student.model.distilbert(input_ids=ids).last_hidden_state
        logits = student.model.qa_outputs(hidden)[0]
    found = activation_ranges(student, [EXAMPLE])["model.qa_outputs.weight"]
    assert found.input_scale == pytest.approx(float(hidden.max() - hidden.min()) / 255, rel=1e-4)
    largest = logits.abs().amax(0).numpy()
    np.testing.assert_allclose(found.output_scales, largest / 127, rtol=1e-4)


def test_ranges_read_so_many_examples_and_no_more(students: dict[str, Student]) -> None:
    student = students["distilbert"]
    louder = replace(EXAMPLE, context="Rain fell on the island for nine days.")
    alone = activation_ranges(student, [EXAMPLE])
    within = activation_ranges(student, [EXAMPLE, louder])
    beyond = activation_ranges(student, [EXAMPLE] * MAX_EXAMPLES + [louder])
    for name, each in alone.items():
        assert (within[name].output_scales >= each.output_scales).all()
        np.testing.assert_array_equal(beyond[name].output_scales, each.output_scales)
    assert any(within[name].input_scale > each.input_scale for name, each in alone.items())
