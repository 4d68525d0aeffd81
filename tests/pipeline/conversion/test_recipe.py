"""Recipes: which weight gets which format, and the file that repeats it."""

import json

import pytest

from converters.values.errors import InputError
from converters.values.precision import FIXED_PRECISIONS
from pipeline.conversion.recipe import Recipe, read_recipe, recipe_of, tensor_group, write_recipe
from pipeline.student.trace import trace


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("distilbert", {"embeddings.words", "embeddings.positions"}),
        ("bert", {"embeddings.words", "embeddings.positions", "embeddings.types"}),
        # Narrow tables of words and types are widened by a matrix of their own.
        (
            "electra",
            {"embeddings.words", "embeddings.positions", "embeddings.types", "embeddings.other"},
        ),
        (
            "mobilebert",
            {"embeddings.words", "embeddings.positions", "embeddings.types", "embeddings.other"},
        ),
    ],
)
def test_tensor_groups_have_the_same_names_in_all_architectures(students, architecture, expected):
    names = trace(students[architecture], seq_lens=(16,)).matrices()
    layers = {f"layer.{number}.{part}" for number in (0, 1) for part in ("attention", "ffn")}
    assert {tensor_group(name) for name in names} == layers | expected | {"head"}


def test_every_weight_of_a_layer_is_in_its_group(students):
    names = trace(students["distilbert"], seq_lens=(16,)).matrices()
    groups = [tensor_group(name) for name in names]
    assert groups.count("layer.1.attention") == 4
    assert groups.count("layer.1.ffn") == 2


@pytest.mark.parametrize("precision", FIXED_PRECISIONS)
def test_recipe_survives_its_file(tmp_path, precision):
    recipe = recipe_of(precision)
    write_recipe(recipe, tmp_path / "recipe.json")
    assert read_recipe(tmp_path / "recipe.json") == recipe


def test_int4_keeps_eight_bits_where_they_are_small_and_matter():
    recipe = recipe_of("int4", group_size=64)
    assert recipe.format_of("model.distilbert.embeddings.word_embeddings.weight") == "int4/64"
    assert recipe.format_of("model.distilbert.embeddings.position_embeddings.weight") == "int8"
    assert recipe.format_of("model.qa_outputs.weight") == "int8"


def test_static_activations_survive_their_file_and_are_dynamic_where_it_is_silent(tmp_path):
    recipe = recipe_of("int8", activations="static")
    write_recipe(recipe, tmp_path / "recipe.json")
    assert read_recipe(tmp_path / "recipe.json") == recipe != recipe_of("int8")
    (tmp_path / "old.json").write_text('{"precision": "int8", "default": "int8"}')
    assert read_recipe(tmp_path / "old.json").activations == "dynamic"


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int4"])
def test_static_activations_without_int8_are_refused(precision):
    with pytest.raises(InputError, match=f"static activations go with int8, not {precision}"):
        recipe_of(precision, activations="static")


def test_group_size_that_no_backend_has_is_refused():
    with pytest.raises(InputError, match="no group size 48") as caught:
        recipe_of("int4", group_size=48)
    assert caught.value.hint == "choose from 32, 64, 128"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the whole file"),
        (b"\xff{}", "the whole file"),
        (b"[]", "the whole file"),
        (b'{"precision": "int4"}', "default: Field required"),
        (b'{"precision": "int4", "default": "int4"}', "default"),
        (b'{"precision": "int4", "default": "int4/32", "gruops": {}}', "gruops"),
        (b'{"precision": "int8", "default": "int8", "groups": {"head": "fp16"}}', "groups.head"),
        (b'{"precision": "fp16", "default": "fp16", "groups": {"head": "int8"}}', "not fp16"),
        (b'{"precision": "fp16", "default": "fp16", "activations": "static"}', "int8 throughout"),
        (
            b'{"precision": "int8", "default": "int8", "groups": {"layer.0.ffn": "int4/32"},'
            b' "activations": "static"}',
            "int8 throughout",
        ),
        (b'{"precision": "int8", "default": "int8", "activations": "wild"}', "activations"),
    ],
)
def test_malformed_recipe_is_told_in_one_line(tmp_path, content, fault):
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.json is no recipe: ") as caught:
        read_recipe(path)
    assert fault in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_missing_recipe_is_told(tmp_path, name):
    with pytest.raises(InputError, match="no recipe"):
        read_recipe(tmp_path / name)


def test_recipe_file_is_what_people_write(tmp_path):
    path = tmp_path / "recipe.json"
    content = {"precision": "int4", "default": "int4/32", "groups": {"layer.0.ffn": "int8"}}
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_recipe(path) == Recipe(
        precision="int4", default="int4/32", groups={"layer.0.ffn": "int8"}
    )
