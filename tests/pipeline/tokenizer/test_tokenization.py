import json
import re

import pytest
from tokenizers import AddedToken, Tokenizer

from converters.values.errors import InputError
from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.tokenizer.tokenization import (
    bundle_tokenizer,
    set_second_type,
    tokenizer_part,
    vocabulary_text,
    write_tokenizer,
)
from pipeline.tokenizer.unicode_tables import KEPT
from tests.students import VOCABULARY
from tests.students import read_tokenizer as small_tokenizer

SPECIAL = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}


def changed(**model: object) -> Tokenizer:
    """Returns the small tokenizer with another model."""
    content = json.loads(small_tokenizer().to_str())
    content["model"].update(model)
    return Tokenizer.from_str(json.dumps(content))


def test_part_tells_added_tokens_and_the_pieces_of_words():
    part = tokenizer_part(small_tokenizer())
    assert part.added_tokens == SPECIAL
    assert part.num_pieces == 800


def test_added_token_behind_the_vocabulary_is_no_piece():
    tokenizer = small_tokenizer()
    tokenizer.add_special_tokens(["<new>"])
    part = tokenizer_part(tokenizer)
    assert part.added_tokens == {**SPECIAL, "<new>": 800}
    assert part.num_pieces == 800
    assert vocabulary_text(tokenizer).count("\n") == 801


@pytest.mark.parametrize("setting", ["single_word", "lstrip", "rstrip"])
def test_added_token_that_an_app_could_not_find_is_refused(setting):
    tokenizer = small_tokenizer()
    settings = {"normalized": False, setting: True}
    tokenizer.add_tokens([AddedToken("<new>", **settings)])
    with pytest.raises(InputError, match=f"the added token '<new>' is {setting}"):
        tokenizer_part(tokenizer)


@pytest.mark.parametrize("content", ["\u0301", "\0", "\u200d"])
def test_normalized_added_token_of_which_nothing_is_left_is_refused(content):
    tokenizer = small_tokenizer()
    tokenizer.add_tokens([AddedToken(content, normalized=True)])
    with pytest.raises(InputError, match="nothing is left of the added token"):
        tokenizer_part(tokenizer)


def test_normalized_added_tokens_that_are_the_same_are_refused():
    tokenizer = small_tokenizer()
    tokenizer.add_tokens(["COvid", "x", "cóvid"])
    with pytest.raises(InputError, match="'COvid' and 'cóvid' are the same once normalized"):
        tokenizer_part(tokenizer)


def test_bundle_tokenizer_is_the_one_that_was_described(tmp_path):
    tokenizer = small_tokenizer()
    tokenizer.add_tokens(
        [AddedToken(each, normalized=each.islower()) for each in ["Qé", "covid", "<Q>"]]
    )
    set_second_type(tokenizer, 0)
    write_tokenizer(tokenizer, tmp_path / "tokenizer")
    again = bundle_tokenizer(tmp_path, tokenizer_part(tokenizer))
    for text in ("QÉ qé Qé COVID <q><Q>", "covid [SEP]"):
        made, expected = again.encode(text, text), tokenizer.encode(text, text)
        assert (made.ids, made.offsets) == (expected.ids, expected.offsets)
        assert made.type_ids == expected.type_ids == [0] * len(made.ids)


@pytest.mark.parametrize("ids", [{"x": 5, "y": 7}, {"x": 5, "y": 5}, {"x": 6, "y": 7}])
def test_vocabulary_with_a_hole_is_refused(ids):
    with pytest.raises(
        InputError, match="no token of the vocabulary, or more than one, has the id"
    ):
        tokenizer_part(changed(vocab={**SPECIAL, **ids}))


def test_token_with_a_newline_is_refused():
    with pytest.raises(
        InputError, match=re.escape(r"the token 'a\nb' of the vocabulary holds a n")
    ):
        tokenizer_part(changed(vocab={**SPECIAL, "a\nb": 5}))


def test_unknown_token_of_another_name_is_refused():
    with pytest.raises(InputError, match=r"does not know become \[MASK\]"):
        tokenizer_part(changed(unk_token="[MASK]"))


def test_written_tokenizer_is_the_same_and_brings_the_tables(tmp_path):
    tokenizer = small_tokenizer()
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=9)
    folder = tmp_path / "model"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    write_tokenizer(read_tokenizer(folder), tmp_path / "tokenizer")
    written = Tokenizer.from_file(str(tmp_path / "tokenizer" / "tokenizer.json"))
    assert written.truncation is None
    assert written.padding is None
    assert tokenizer_part(written) == tokenizer_part(tokenizer)
    assert (tmp_path / "tokenizer" / "vocab.txt").read_bytes() == VOCABULARY.read_bytes()
    assert (tmp_path / "tokenizer" / "unicode.json").read_bytes() == KEPT.read_bytes()
