import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from tokenizers.processors import BertProcessing, TemplateProcessing

from converters.values.errors import InputError
from pipeline.comparison import runtimes
from pipeline.student.load import Student, load
from pipeline.student.trim import pieces_to_keep, read_corpus, to_vocabulary, trim, trim_tokenizer
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.question_answering.squad import labelled_questions
from pipeline.tasks.text_classification import TextClassification
from pipeline.tokenizer.tokenization import SPECIAL_TOKENS
from tests.students import ARCHITECTURES

SPECIAL = (*SPECIAL_TOKENS, "[MASK]")
LETTERS = "abc"
WORDS = ["".join(letters) for size in range(1, 6) for letters in product(LETTERS, repeat=size)]


def make_tokenizer(pieces: Iterable[str]) -> Tokenizer:
    vocabulary = {piece: index for index, piece in enumerate((*SPECIAL, *pieces))}
    return Tokenizer.from_str(BertWordPieceTokenizer(vocab=vocabulary).to_str())


def kept_for(tokenizer: Tokenizer, *texts: str) -> set[str]:
    """Returns the pieces that a corpus keeps, without the special tokens, which always stay."""
    kept = pieces_to_keep(tokenizer, texts)
    assert kept >= set(SPECIAL)
    return kept - set(SPECIAL)


def trimmed_to(tokenizer: Tokenizer, texts: Sequence[str]) -> Tokenizer:
    return trim_tokenizer(tokenizer, pieces_to_keep(tokenizer, texts))


def cut(tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[list[str], Any]]:
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [(encoding.tokens, encoding.offsets) for encoding in encodings]


# What is promised


def piece_sets() -> st.SearchStrategy[list[str]]:
    texts = st.text(LETTERS, min_size=1, max_size=4)
    pieces = st.tuples(st.sampled_from(["", "##"]), texts).map("".join)
    return st.lists(pieces, unique=True, max_size=16)


def assert_promises_are_kept(tokenizer: Tokenizer, corpus: list[str]) -> None:
    """Cuts the corpus, and every word of up to five letters."""
    trimmed = trimmed_to(tokenizer, corpus)
    assert cut(trimmed, corpus) == cut(tokenizer, corpus)
    before, after = cut(tokenizer, WORDS), cut(trimmed, WORDS)
    for word, (old, _), (new, _) in zip(WORDS, before, after, strict=True):
        if old == ["[UNK]"]:
            assert new == old, word
        else:
            assert "".join(piece.removeprefix("##") for piece in new) == word


@settings(max_examples=150, deadline=None)
@given(pieces=piece_sets(), corpus=st.lists(st.sampled_from(WORDS), min_size=1, max_size=6))
def test_any_vocabulary_keeps_the_corpus_and_which_words_are_known(pieces, corpus):
    assert_promises_are_kept(make_tokenizer(pieces), corpus)


@settings(max_examples=50, deadline=None)
@given(pieces=piece_sets(), corpus=st.lists(st.sampled_from(WORDS), min_size=1, max_size=6))
def test_vocabulary_with_all_characters_keeps_no_more_than_it_needs(pieces, corpus):
    characters = [prefix + letter for prefix in ("", "##") for letter in LETTERS]
    tokenizer = make_tokenizer(dict.fromkeys([*characters, *pieces]))
    assert_promises_are_kept(tokenizer, corpus)
    used = {piece for tokens, _ in cut(tokenizer, corpus) for piece in tokens}
    assert kept_for(tokenizer, *corpus) == used | set(characters)


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=60), unseen=st.text(max_size=60))
def test_any_text_keeps_its_pieces_in_a_vocabulary_of_real_words(tokenizer, text, unseen):
    corpus = ["The tower was lit.", text]
    trimmed = trimmed_to(tokenizer, corpus)
    assert cut(trimmed, corpus) == cut(tokenizer, corpus)
    ((before, _),), ((after, _),) = cut(tokenizer, [unseen]), cut(trimmed, [unseen])
    assert after.count("[UNK]") == before.count("[UNK]")


# Which pieces it takes


@pytest.mark.parametrize("shown", ["abz", "ABZ", "ÁBZ", "x abz, x", "a" * 101])
def test_word_that_was_unknown_stays_unknown(shown):
    """Without ``ab``, ``a`` and ``##bz`` would be found."""
    tokenizer = make_tokenizer(["a", "##a", "ab", "##b", "##bz", "x", ","])
    assert "[UNK]" in cut(tokenizer, [shown])[0][0]
    assert cut(trimmed_to(tokenizer, [shown]), [shown]) == cut(tokenizer, [shown])


def test_piece_that_has_no_character_to_fall_back_on_is_kept():
    tokenizer = make_tokenizer(["a", "##b", "abc", "x", "##y", "xy"])  # no ##c
    assert kept_for(tokenizer, "x") == {"a", "##b", "abc", "x", "##y"}
    assert cut(trimmed_to(tokenizer, ["x"]), ["abc"])[0][0] == ["abc"]


def test_piece_that_leads_up_to_one_without_fallback_is_kept():
    """Without ``xy``, ``x`` and ``##yb`` would be found in ``xybc``, and then there is no ``##c``.

    It shares no character with ``##bc``: ``##yb`` ties them together.
    """
    tokenizer = make_tokenizer(["x", "xy", "##y", "##yb", "##b", "##bc", "m", "##n", "mn"])
    assert cut(tokenizer, ["xybc"])[0][0] == ["xy", "##bc"]
    assert kept_for(tokenizer, "m") == {"x", "xy", "##y", "##yb", "##b", "##bc", "m", "##n"}
    assert cut(trimmed_to(tokenizer, ["m"]), ["xybc"])[0][0] == ["xy", "##bc"]


def test_pieces_that_no_word_can_hold_are_dropped():
    """Their letters have nothing to fall back on, and need not."""
    tokenizer = make_tokenizer(["[unused0]", "...", "a b", "m", "##n", "mn", "."])
    assert kept_for(tokenizer, "m ...") == {"m", "##n", "."}


def test_characters_are_kept_in_both_places_beyond_the_basic_plane_too():
    tokenizer = make_tokenizer(["😀", "##😀", "é", "##é", "-", "ab", "a", "##b"])
    assert kept_for(tokenizer, "a") == {"😀", "##😀", "é", "##é", "-", "a", "##b"}


def test_embedded_vocabulary_has_a_fallback_for_every_character():
    kept = kept_for(load().tokenizer, "unaffable")
    multiple = {piece for piece in kept if len(piece.removeprefix("##")) > 1}
    assert multiple == {"una", "##ffa", "##ble"}


# The tokenizer


def test_trimmed_tokenizer_has_consecutive_ids_in_the_old_order():
    tokenizer = make_tokenizer(["zz", "z", "##z", "yy", "y", "##y", "[unused1]"])
    trimmed = trimmed_to(tokenizer, ["yy"])
    ids = trimmed.get_vocab()
    assert sorted(ids, key=ids.__getitem__) == [*SPECIAL, "z", "##z", "yy", "y", "##y"]
    assert sorted(ids.values()) == list(range(len(ids)))
    assert trimmed.token_to_id("[unused1]") is None


@pytest.mark.parametrize("kind", ["template", "bert", "none"])
def test_trimmed_tokenizer_sets_special_tokens_by_their_new_ids(kind):
    words = ("[unused0]", "[unused1]", *SPECIAL, "a", "b")
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer.from_str(BertWordPieceTokenizer(vocab=vocabulary).to_str())
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = None
    if kind == "template":
        tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
        )  # fmt: skip
    elif kind == "bert":
        tokenizer.post_processor = BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    trimmed = trimmed_to(tokenizer, ["a [MASK]"])
    for texts in (("a [MASK] b",), ("a", "b")):
        before, after = tokenizer.encode(*texts), trimmed.encode(*texts)
        assert after.tokens == before.tokens
        assert after.ids == [trimmed.token_to_id(token) for token in after.tokens]
        assert (after.type_ids, after.offsets) == (before.type_ids, before.offsets)


def test_special_tokens_that_are_not_marked_as_such_are_kept():
    content = json.loads(make_tokenizer(["a"]).to_str())
    content["added_tokens"] = []
    assert kept_for(Tokenizer.from_str(json.dumps(content)), "a") == {"a"}


def test_added_token_inside_the_model_keeps_its_place():
    tokenizer = make_tokenizer(["a", "<ent>", "b"])
    tokenizer.add_tokens([AddedToken("<ent>", normalized=False)])
    assert trimmed_to(tokenizer, ["a"]).token_to_id("<ent>") == len(SPECIAL) + 1


def test_added_token_outside_the_model_is_kept_and_comes_last():
    tokenizer = make_tokenizer(["a", "aa", "##a"])
    tokenizer.add_tokens([AddedToken("<ent>", normalized=False)])
    trimmed = trimmed_to(tokenizer, ["a"])
    assert trimmed.token_to_id("<ent>") == len(SPECIAL) + 2
    assert trimmed.encode("a<ent>a", add_special_tokens=False).tokens == ["a", "<ent>", "a"]


def test_trimmed_tokenizer_leaves_the_old_one_as_it_was(tokenizer):
    before = tokenizer.to_str()
    trimmed_to(tokenizer, ["The tower."])
    assert tokenizer.to_str() == before


# The student


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    texts = [text for each in labelled_questions()[:5] for text in (each.context, each.question)]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def logits(student: Student) -> list[dict[str, Any]]:
    encoded = student.encode(labelled_questions()[:5], seq_lens=(64,))
    rows = [row.inputs for item in encoded for row in item.rows]
    return runtimes.run_student(student, rows).outputs


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_trimmed_student_gives_the_same_bits_on_the_corpus(students, corpus, architecture):
    student = students[architecture]
    trimmed, saved = trim(student, corpus)
    assert saved.num_pieces < 0.8 * saved.num_pieces_before
    for before, after in zip(logits(student), logits(trimmed), strict=True):
        for name, values in before.items():
            assert values.tobytes() == after[name].tobytes(), name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_trimmed_student_has_the_rows_of_its_pieces(students, corpus, architecture):
    student = students[architecture]
    untouched = {name: weight.clone() for name, weight in student.model.state_dict().items()}
    trimmed, saved = trim(student, corpus)
    size = trimmed.tokenizer.get_vocab_size()
    before = student.model.get_input_embeddings().weight
    after = trimmed.model.get_input_embeddings()
    for piece, index in trimmed.tokenizer.get_vocab().items():
        assert torch.equal(after.weight[index], before[student.tokenizer.token_to_id(piece)])
    assert (saved.num_pieces, saved.num_pieces_before) == (size, len(before))
    assert saved.num_weights_saved == (len(before) - size) * before.shape[1]
    config = trimmed.model.config
    assert (config.vocab_size, after.num_embeddings) == (size, size)
    assert config.pad_token_id == after.padding_idx == trimmed.tokenizer.token_to_id("[PAD]")
    assert not any(module.training for module in trimmed.model.modules())
    assert trimmed.weights_sha256 == student.weights_sha256
    assert student.model.config.vocab_size == len(before)
    for name, weight in student.model.state_dict().items():
        assert torch.equal(weight, untouched[name]), name


def test_student_with_the_vocabulary_already_is_returned_itself(students, tokenizer):
    student = students["distilbert"]
    assert to_vocabulary(student, tokenizer) is student


def test_vocabulary_of_another_student_is_refused(students):
    with pytest.raises(InputError, match="the vocabulary of bert lacks 'zebra'"):
        to_vocabulary(students["bert"], make_tokenizer(["zebra"]))


def test_vocabulary_with_another_prefix_is_refused(students, corpus):
    content = json.loads(make_tokenizer(["a", "@@a"]).to_str())
    content["model"]["continuing_subword_prefix"] = "@@"
    other = replace(students["bert"], tokenizer=Tokenizer.from_str(json.dumps(content)))
    with pytest.raises(InputError, match="continue a word with '@@'"):
        trim(other, corpus)


# The corpus


def test_corpus_of_lines(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_bytes("\ufeffOne café.\r\n\nTwo\u2028lines".encode())
    assert [text.strip() for text in read_corpus(path, task=QuestionAnswering())] == [
        "One café.",
        "",
        "Two\u2028lines",
    ]


def test_corpus_in_squad_layout_is_its_questions_and_contexts(squad_file):
    texts = set(read_corpus(squad_file, task=QuestionAnswering()))
    assert len(texts) == 8
    assert "Who designed the tower?" in texts
    assert any(text.startswith("Rain fell") for text in texts)


def test_corpus_of_a_classifiers_examples_is_their_texts(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"text": "Caf\\u00e9", "text_pair": "open", "label": "good"}\n')
    assert list(read_corpus(path, task=TextClassification())) == ["Café", "open"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.txt", b"The road.\ncaf\xe9\n", "line 2, is not UTF-8: invalid continuation byte"),
        ("corpus.txt", "The road.".encode("utf-16"), "line 1, holds NUL"),
        ("corpus.json", b"The road.", "is not JSON"),
        ("corpus.JSON", b"[]", "is not in SQuAD layout"),
        ("corpus.json", b'{"data": []}', "holds no word"),
    ],
)
def test_corpus_that_cannot_be_read_is_refused(students, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        trim(students["bert"], tmp_path / name)
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\n \r\n\t\n", "\ufeff".encode()])
def test_corpus_without_a_word_is_refused(students, tmp_path, content):
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="holds no word"):
        trim(students["bert"], path)
