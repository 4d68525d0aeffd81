"""Weights as integers, and what the student makes of them."""

import numpy as np
import pytest
import torch

from converters.values.errors import InputError
from converters.weights.quantized import RANGES, quantize
from pipeline.comparison.runtimes import run_student
from pipeline.conversion.metrics import snr_db
from pipeline.conversion.recipe import Recipe, recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.student.emulation import emulated, round_per_token
from pipeline.student.trace import trace
from tests.converters.conversion import random_rows


@pytest.fixture(scope="module")
def student(students):
    return students["distilbert"]


@pytest.fixture(scope="module")
def matrices(student):
    return trace(student, seq_lens=(16,)).matrices()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_floats_have_no_integers(matrices, precision):
    assert Quantizer(matrices).model_weights(recipe_of(precision)).integers == {}


@pytest.mark.parametrize("group_size", [32, 64])
def test_weights_have_the_bits_and_the_groups_of_the_recipe(matrices, group_size):
    weights = Quantizer(matrices).model_weights(recipe_of("int4", group_size=group_size))
    assert weights.precision == "int4"
    assert weights.integers.keys() == matrices.keys()
    for name, weight in weights.integers.items():
        is_kept = "position" in name or "qa_outputs" in name
        assert weight.bits == (8 if is_kept else 4)
        assert weight.group_size == (matrices[name].shape[1] if is_kept else group_size)
        assert weight.values.max() <= RANGES[weight.bits][1]


def test_row_that_groups_do_not_divide_is_one_group(matrices):
    weights = Quantizer(matrices).model_weights(recipe_of("int4", group_size=128))
    assert weights.integers["model.distilbert.embeddings.word_embeddings.weight"].group_size == 64


def test_unknown_tensor_group_is_told_with_those_that_there_are(matrices):
    recipe = Recipe(precision="int8", default="int8", groups={"layer.7.ffn": "int4/32"})
    with pytest.raises(InputError, match=r"no tensor group 'layer\.7\.ffn'") as caught:
        Quantizer(matrices).model_weights(recipe)
    assert "layer.1.ffn" in caught.value.hint


def test_second_moments_decide_how_four_bits_are_rounded_and_no_others(matrices):
    linear, head = "model.distilbert.transformer.layer.0.ffn.lin1.weight", "model.qa_outputs.weight"
    inputs = np.random.default_rng(0).normal(size=(200, 64)) @ np.diag(np.geomspace(1, 30, 64))
    moment = inputs.T @ inputs / len(inputs)
    plain = Quantizer(matrices).model_weights(recipe_of("int4")).integers
    moments = {linear: moment, head: moment}
    calibrated = Quantizer(matrices, second_moments=moments).model_weights(recipe_of("int4"))
    expected = quantize(matrices[linear], bits=4, group_size=32, second_moment=moment)
    np.testing.assert_array_equal(calibrated.integers[linear].values, expected.values)
    assert (calibrated.integers[linear].values != plain[linear].values).any()
    for name in matrices.keys() - {linear}:
        np.testing.assert_array_equal(calibrated.integers[name].values, plain[name].values)


def test_each_weight_is_quantized_once(matrices):
    quantizer = Quantizer(matrices)
    one, other = (quantizer.model_weights(recipe_of("int4")) for _ in range(2))
    for name, weight in one.integers.items():
        assert other.integers[name] is weight


def test_emulated_student_leaves_the_student_as_it_was(student, matrices):
    before = {name: value.clone() for name, value in student.model.state_dict().items()}
    emulated(student, Quantizer(matrices).model_weights(recipe_of("int4")))
    for name, value in student.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_emulated_student_without_integers_is_the_student(student, matrices):
    rows = random_rows(student, seq_len=16, num_tokens=(16, 9))
    weights = Quantizer(matrices).model_weights(recipe_of("fp32"))
    same = run_student(emulated(student, weights), rows).outputs
    for actual, expected in zip(same, run_student(student, rows).outputs, strict=True):
        for name in expected:
            np.testing.assert_array_equal(actual[name], expected[name])


def test_fewer_bits_make_more_noise(student, matrices):
    rows = random_rows(student, seq_len=48, num_tokens=(48, 30, 9))
    expected = run_student(student, rows).outputs
    reference = np.concatenate([row["start_logits"] for row in expected])

    def noise(recipe):
        outputs = run_student(
            emulated(student, Quantizer(matrices).model_weights(recipe)), rows
        ).outputs
        actual = np.concatenate([row["start_logits"] for row in outputs])
        return snr_db(actual=actual, reference=reference)

    assert noise(recipe_of("int8")) > noise(recipe_of("int4")) + 6


def test_round_per_token_keeps_256_levels_and_zero():
    torch.manual_seed(0)
    activations = torch.randn(3, 5, 400) * torch.tensor([0.01, 1.0, 100.0])[:, None, None]
    activations[0, 0] = 0
    activations[1, 1] = activations[1, 1].abs() + 3  # all on one side of zero
    rounded = round_per_token(activations)
    assert torch.isfinite(rounded).all()
    least = activations.amin(-1, keepdim=True).clamp(max=0)
    step = (activations.amax(-1, keepdim=True).clamp(min=0) - least) / 255
    # Half a step, and half of one that the rounded zero point moves both ends by.
    assert ((rounded - activations).abs() <= step * 1.001).all()
    assert len(rounded[2, 2].unique()) > 100
    assert torch.equal(round_per_token(rounded[..., :1] * 0), torch.zeros(3, 5, 1))
