import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer

from converters.values.errors import InputError
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.on_device.unicode import UnicodeTables
from pipeline.on_device.wordpiece import Tokens, WordPiece, open_tokenizer, utf16_offsets
from pipeline.tokenizer.tokenization import tokenizer_part, vocabulary_text
from tests.vectors import tokenizers
from tests.vectors.texts import LAST, is_scalar

SETTINGS = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
NAMES = ("uncased", "cased", "spelling")
BLOCK = 0x1000


def reference(tokenizer: Tokenizer, tables: UnicodeTables) -> WordPiece:
    vocabulary = vocabulary_text(tokenizer).removesuffix("\n").split("\n")
    return WordPiece(tokenizer_part(tokenizer), vocabulary, tables)


def by_library(tokenizer: Tokenizer, text: str) -> Tokens:
    made = tokenizer.encode(text, add_special_tokens=False)
    return Tokens(tokens=tuple(made.tokens), ids=tuple(made.ids), offsets=tuple(made.offsets))


@pytest.mark.parametrize("name", NAMES)
def test_reference_equals_the_library_on_every_vector(vectors, name):
    folder = vectors / name
    part = TokenizerPart.model_validate(
        json.loads((folder / "settings.json").read_bytes())["tokenizer"]
    )
    opened = open_tokenizer(folder, part)
    texts = json.loads((folder / "texts.json").read_bytes())["texts"]
    assert len(texts) > 5000
    for each in texts:
        found = opened.tokenize(each["text"])
        made = {
            "tokens": found.tokens,
            "ids": found.ids,
            "offsets": found.offsets,
            "utf16_offsets": utf16_offsets(each["text"], found.offsets),
        }
        assert json.loads(json.dumps(made)) == {key: each[key] for key in made}, ascii(each["text"])


def test_vectors_show_what_each_rule_does(vectors):
    planes, lengths, seen = set(), Counter(), ""
    for each in json.loads((vectors / "spelling" / "texts.json").read_bytes())["texts"]:
        planes |= {ord(character) >> 16 for character in each["text"]}
        lengths.update(end - start for start, end in each["offsets"])
        seen += each["text"]
    assert planes == set(range(17))
    assert lengths[1] > 50_000
    assert lengths[5] > 100  # [SEP] among others
    for name in NAMES:
        texts = json.loads((vectors / name / "texts.json").read_bytes())["texts"]
        tokens = Counter(token for each in texts for token in each["tokens"])
        assert {"[UNK]", "[SEP]", "[MASK]"} <= tokens.keys()
    assert all(character in seen for character in "\u200d\u202e\u0301\0\ufffd中가İ")


text_characters = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(
        "aA \u0301\u0316\u0327\u0345\u0334éÅ가각中\0\u200d\u302e\u0344İ.!\u1e69\U0001d165"
    ),
)
texts_of_any_kind = st.lists(
    st.one_of(text_characters, st.sampled_from(["[SEP]", "[MASK]", "[CLS", "ab"])), max_size=30
).map("".join)


@pytest.mark.parametrize("values", list(itertools.product([True, False], repeat=4)))
@given(text=texts_of_any_kind)
def test_reference_equals_the_library_for_any_text_and_settings(tables, values, text):
    settings = dict(zip(SETTINGS, values, strict=True))
    tokenizer = tokenizers.spelling([text], **settings)
    assert reference(tokenizer, tables).tokenize(text) == by_library(tokenizer, text)


@given(
    values=st.tuples(*[st.booleans()] * 4),
    added=st.dictionaries(
        st.lists(text_characters, min_size=1, max_size=3).map("".join), st.booleans(), max_size=4
    ),
    data=st.data(),
)
def test_reference_equals_the_library_for_any_added_tokens(tables, values, added, data):
    """Those that are normalized are found in what becomes of a text, whatever its letters were."""
    forms = [form for token in added for form in (token, token.upper(), f"{token}\u0301")]
    part = st.one_of(texts_of_any_kind, st.sampled_from(forms)) if added else texts_of_any_kind
    text = "".join(data.draw(st.lists(part, max_size=6)))
    tokenizer = tokenizers.spelling([text, *added], **dict(zip(SETTINGS, values, strict=True)))
    by_form = {tokenizer.normalizer.normalize_str(token): token for token in added}
    by_form.pop("", None)  # one alone of those that become the same, and none that becomes nothing
    for token in added:
        if "\n" not in token and (not added[token] or token in by_form.values()):
            tokenizer.add_tokens([AddedToken(token, normalized=added[token])])
    assert reference(tokenizer, tables).tokenize(text) == by_library(tokenizer, text)


def test_normalized_added_token_is_found_in_any_case_and_its_offsets_are_of_the_text(tables):
    tokenizer = tokenizers.with_settings(tokenizers.uncased(), lowercase=True)
    tokenizer.add_tokens(["COvid", "Café", "茶"])
    found = reference(tokenizer, tables).tokenize("aCOV\u0301ID cafe\u0301s x茶")
    assert found.tokens == ("a", "covid", "cafe", "s", "x", " 茶 ")
    assert found.offsets == ((0, 1), (1, 7), (8, 12), (13, 14), (15, 16), (16, 17))
    assert found.ids[1] == tokenizer.token_to_id("COvid")


def test_reference_equals_the_library_on_every_piece_of_a_vocabulary(tables):
    """The longest among them, at the start of a word and within one."""
    tokenizer = tokenizers.uncased()
    pieces = sorted(tokenizer.get_vocab(), key=len, reverse=True)
    whole = [piece for piece in pieces if not piece.startswith("##")]
    within = [f"{whole[-1]}{piece.removeprefix('##')}" for piece in pieces if piece not in whole]
    opened = reference(tokenizer, tables)
    for text in (" ".join(whole), " ".join(within)):
        assert opened.tokenize(text) == by_library(tokenizer, text)


@pytest.mark.parametrize("added", [{"\u0301": 5}, {"a": 5, "A": 6}])
def test_normalized_added_token_of_which_nothing_is_left_is_refused(tables, added):
    part = tokenizer_part(tokenizers.uncased())
    part = part.model_copy(update={"normalized_added_tokens": added})
    with pytest.raises(InputError, match="nothing of its own is left of the added token"):
        WordPiece(part, ["a"], tables)


@pytest.mark.parametrize("form", ["{} ", "a{}b "])
def test_reference_equals_the_library_for_code_points_of_every_plane(tables, form):
    """The first blocks, where scripts are, and one in 15 of the rest; `make soak` takes all."""
    for points in [*itertools.islice(blocks(), 4), *itertools.islice(blocks(), 14, None, 15)]:
        check(tables, [form.format(chr(point)) for point in points], {})


@pytest.mark.soak
@pytest.mark.parametrize("values", list(itertools.product([True, False], repeat=4)))
def test_reference_equals_the_library_for_every_code_point_and_settings(tables, values):
    settings = dict(zip(SETTINGS, values, strict=True))
    for points in blocks():
        check(tables, [f"{chr(point)} a{chr(point)}b " for point in points], settings)


@pytest.mark.soak
def test_reference_equals_the_library_for_every_code_point_alone(tables):
    for points in blocks():
        texts = [form.format(chr(point)) for point in points for form in ("{}", "a{}b")]
        tokenizer = tokenizers.spelling(texts)
        opened = reference(tokenizer, tables)
        for text in texts:
            assert opened.tokenize(text) == by_library(tokenizer, text), ascii(text)


def blocks() -> Iterator[list[int]]:
    """Yields every code point that a text can hold."""
    for first in range(0, LAST + 1, BLOCK):
        points = [point for point in range(first, first + BLOCK) if is_scalar(point)]
        if points:
            yield points


def check(tables: UnicodeTables, words: list[str], settings: dict[str, bool]) -> None:
    """Compares on all words in one text, each character with a token of its own."""
    text = "".join(words)
    tokenizer = tokenizers.spelling([text], **settings)
    found, expected = reference(tokenizer, tables).tokenize(text), by_library(tokenizer, text)
    pairs = zip(found.tokens, found.offsets, expected.tokens, expected.offsets, strict=False)
    wrong = [pair for pair in pairs if pair[:2] != pair[2:]]
    assert not wrong[:3]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("e\u0301a", ((0, 3),)),
        ("a\0b\0", ((0, 3),)),
        ("a[SEP]b", ((0, 1), (1, 6), (6, 7))),
        ("é中😀", ((0, 1), (1, 2), (2, 3))),
        ("z" * 101, ((0, 101),)),
    ],
)
def test_offsets_of_a_rule_are_those_that_the_specification_says(tables, text, expected):
    assert reference(tokenizers.uncased(), tables).tokenize(text).offsets == expected


def test_utf16_offsets_count_two_for_what_lies_above_the_first_plane():
    assert utf16_offsets("a😀b\uffff", ((0, 1), (1, 2), (1, 4))) == ((0, 1), (1, 3), (1, 5))


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\ud83d\ude00"])
def test_half_of_a_surrogate_pair_is_refused(tables, text):
    with pytest.raises(InputError, match="half of a surrogate pair at character"):
        reference(tokenizers.uncased(), tables).tokenize(text)


def test_longest_of_several_added_tokens_wins(tables):
    tokenizer = tokenizers.cased()
    tokenizer.add_special_tokens(["<q>", "<q><q>", "<q><q>x"])
    for text in ("<q><q>x", "<q><q><q>", "a<q><q>y<q>", "<<q>>", "Brandneuwort", "brandNeuwort"):
        assert reference(tokenizer, tables).tokenize(text) == by_library(tokenizer, text)


def test_added_token_is_no_piece_of_a_word(tables):
    tokenizer = tokenizers.with_settings(tokenizers.uncased(), lowercase=True)
    tokenizer.add_special_tokens(["neuwort", "##wort"])
    for text in ("NEUWORT", "neuwort", "aWORT", "a##wort"):
        assert reference(tokenizer, tables).tokenize(text) == by_library(tokenizer, text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizers.write(tokenizers.uncased(), tmp_path)
    return tmp_path


PART = tokenizer_part(tokenizers.uncased())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("vocab.txt", None, "no vocabulary at"),
        ("vocab.txt", b"\xff", "is not UTF-8: invalid start byte at byte 0"),
        ("vocab.txt", b"a\na\n", "holds a token twice"),
        ("vocab.txt", b"", r"is not the manifest's: its token 0 is not \[PAD\]"),
        ("unicode.json", None, "no tables of characters at"),
        ("unicode.json", b"{", "is damaged: "),
        ("unicode.json", b"[" * 100_000, "is damaged: "),
        ("unicode.json", b"[]", "is damaged: it holds no JSON object"),
        ("unicode.json", b"\xff", "is damaged: "),
    ],
)  # fmt: skip
def test_open_tokenizer_refuses_a_damaged_file(folder, name, content, says):
    path = folder / "tokenizer" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        open_tokenizer(folder, PART)


@pytest.mark.parametrize("num_pieces", [-1, 0, 30_523])
def test_open_tokenizer_refuses_a_number_of_pieces_that_the_vocabulary_lacks(folder, num_pieces):
    part = PART.model_copy(update={"num_pieces": num_pieces})
    with pytest.raises(InputError, match=f"30522 tokens, .* the first {num_pieces}"):
        open_tokenizer(folder, part)


def test_open_tokenizer_refuses_the_vocabulary_of_another(folder):
    lines = (folder / "tokenizer" / "vocab.txt").read_text(encoding="utf-8").split("\n")
    (folder / "tokenizer" / "vocab.txt").write_text("\n".join(lines[1:]), encoding="utf-8")
    with pytest.raises(InputError, match=r"its token 0 is not \[PAD\]"):
        open_tokenizer(folder, PART)
