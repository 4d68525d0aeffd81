"""What is learned of weights, and weights of four bits, come from the cache as they went in."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from converters.weights.quantized import ModelWeights
from pipeline.conversion.recipe import Recipe, recipe_of
from pipeline.quantization.kept import calibrated, quantized
from pipeline.running.cache import StageCache
from pipeline.running.fingerprint import fingerprint
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.runs import quiet_run

TEXTS = labelled_questions()[:6]
INT4 = recipe_of("int4")


@pytest.fixture(scope="module")
def student(students: dict[str, Student]) -> Student:
    return students["distilbert"]


def weights_of(student: Student, recipe: Recipe, run: Run) -> ModelWeights:
    quantizer = calibrated(student, recipe, TEXTS, run=run)
    return quantized(quantizer, recipe, run=run)


@pytest.mark.parametrize(
    ("recipe", "reused"),
    [
        (INT4, ["calibrate", "quantize"]),
        (recipe_of("int8", activations="static"), ["calibrate"]),
        (recipe_of("int8"), []),
    ],
    ids=["int4", "static", "int8"],
)
def test_weights_from_the_cache_are_those_that_went_in(
    student: Student, tmp_path: Path, recipe: Recipe, reused: list[str]
) -> None:
    cache = StageCache(tmp_path)
    found = []
    for expected in ([], reused):
        run = quiet_run(cache=cache)
        found.append(weights_of(student, recipe, run))
        assert run.progress.reused == expected
    found.append(weights_of(student, recipe, quiet_run()))
    # The order counts, too: what is made of these weights is named by them.
    assert len({fingerprint(each) for each in found}) == 1
    assert bool(found[0].activations) == (recipe.activations == "static")
    for each in found[1].integers.values():
        assert each.values.dtype == np.int8
        assert each.scales.dtype == np.float32


def test_calibration_with_another_tokenizer_is_another(student: Student, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_str(student.tokenizer.to_str())
    tokenizer.normalizer.lowercase = False
    other = dataclasses.replace(student, tokenizer=tokenizer)
    run = quiet_run(cache=StageCache(tmp_path))
    for each in (student, other):
        calibrated(each, INT4, TEXTS, run=run)
    assert run.progress.reused == []


def test_calibration_on_other_texts_is_another(student: Student, tmp_path: Path) -> None:
    run = quiet_run(cache=StageCache(tmp_path))
    for texts in (TEXTS, TEXTS[:-1]):
        calibrated(student, INT4, texts, run=run)
    assert run.progress.reused == []


def test_weights_of_another_group_size_are_quantized_anew(student: Student, tmp_path: Path) -> None:
    run = quiet_run(cache=StageCache(tmp_path))
    for recipe in (INT4, recipe_of("int4", group_size=64)):
        weights_of(student, recipe, run)
    assert run.progress.reused == ["calibrate"]
