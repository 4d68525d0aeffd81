"""Any text and any JSON, by Hypothesis, which shrinks what it finds to the least that fails."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from converters.values.errors import GateError, InputError
from pipeline.bundle.manifest import FILE_NAME, read_manifest
from pipeline.conversion.recipe import read_recipe
from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.tokenizer.tokenization import vocabulary_text
from tests.bundles import MANIFEST
from tests.fuzz.mutate import CORPUS
from tests.pipeline.bundle.test_manifest import write_content

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each example writes over the one before."""
    return model_folder(tmp_path_factory, "arbitrary")


def model_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    folder = tmp_path_factory.mktemp(name)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return folder


@given(key=st.sampled_from(sorted(type(MANIFEST).model_fields)), value=JSON)
def test_manifest_with_any_value_and_a_right_hash_is_refused_or_as_it_says(
    folder: Path, key: str, value: Any
) -> None:
    content = {**MANIFEST.model_dump(mode="json"), key: value}
    write_content(folder, content)
    try:
        read = read_manifest(folder)
    except (InputError, GateError) as err:
        assert str(folder / FILE_NAME) in err.message
    else:
        assert read.model_dump(mode="json")[key] == value


@given(JSON)
def test_recipe_of_any_json_is_refused(folder: Path, value: Any) -> None:
    path = folder / "recipe.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match="is no recipe"):
        read_recipe(path)


@given(st.text(st.characters(codec="utf-8")))
def test_vocabulary_of_any_text_is_refused(folder: Path, text: str) -> None:
    (folder / "vocab.txt").write_bytes(text.encode())
    with pytest.raises(InputError, match=r"vocab\.txt"):
        read_tokenizer(folder)


@given(words=st.lists(st.text(st.characters(codec="utf-8"), max_size=6)))
def test_vocabulary_with_any_words_keeps_the_ids_that_transformers_gives(
    folder: Path, words: list[str]
) -> None:
    every = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_bytes("".join(f"{word}\n" for word in every).encode())
    made = AutoTokenizer.from_pretrained(folder)
    tokenizer = read_tokenizer(folder)
    for text in (" ".join(words), "".join(words)):
        encoding = tokenizer.encode(text, add_special_tokens=False)
        expected = made(text, add_special_tokens=False, return_offsets_mapping=True)
        assert encoding.ids == expected["input_ids"]
        assert encoding.offsets == expected["offset_mapping"]
    listed = vocabulary_text(tokenizer).removesuffix("\n").split("\n")
    assert {word: index for index, word in enumerate(listed)} == tokenizer.get_vocab()


@given(
    key=st.sampled_from(("do_lower_case", "strip_accents", "tokenize_chinese_chars")), value=JSON
)
def test_tokenizer_settings_of_any_value_are_refused_or_used(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    folder = model_folder(tmp_path_factory, "settings")
    (folder / "vocab.txt").write_bytes((CORPUS / "vocab.txt").read_bytes())
    (folder / "tokenizer_config.json").write_text(json.dumps({key: value}))
    try:
        read_tokenizer(folder)
    except InputError as err:
        assert str(folder) in err.message
        assert not isinstance(value, bool)
    else:
        assert isinstance(value, bool) or (key == "strip_accents" and value is None)


@given(value=JSON)
def test_tokenizer_of_any_json_is_refused(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    folder = model_folder(tmp_path_factory, "packed")
    (folder / "tokenizer.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        read_tokenizer(folder)
