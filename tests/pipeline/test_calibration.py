from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.calibration import MAX_CONTEXTS, calibrate
from pipeline.load import Student
from pipeline.trace import trace
from tests.students import ARCHITECTURES


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_linear_layer_is_named_as_the_trace_names_it(
    students: dict[str, Student], architecture: str
) -> None:
    student = students[architecture]
    matrices = trace(student, seq_lens=(32,)).matrices()
    moments = calibrate(student, student.task.own_examples()[:6:5])

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
        moments = calibrate(student, examples)
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
        calibrate(student, student.task.own_examples()[:6:5])
    finally:
        handle.remove()

    expected = [
        window.num_tokens
        for item in student.encode(student.task.own_examples()[:6:5], seq_lens=(384,))
        for window in item.windows
    ]
    assert lengths == [(0, length) for length in expected]


def test_calibrating_leaves_no_hooks_behind(students: dict[str, Student]) -> None:
    student = students["distilbert"]
    calibrate(student, student.task.own_examples()[:1])

    assert not any(module._forward_pre_hooks for module in student.model.modules())


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
        calibrate(student, examples)
    finally:
        handle.remove()

    assert MAX_CONTEXTS / 2 <= len(calls) <= MAX_CONTEXTS
