import random

import pytest

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults
from pipeline.distillation.question_answering.qamr import (
    MAX_COMPANIONS,
    QamrSource,
    is_qamr,
    join_words,
    read_questions,
    read_sentences,
)
from tests.pipeline.distillation.small_data import qamr_row, word_tokenizer, words_of, write_qamr

NAME = "Wiki1k:wikipedia:1:0:0"
SENTENCE = "The keeper lit the lamp in 1871 ."
ASKED = "When was the lamp lit"

# Words back to text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("The lamp was lit .", "The lamp was lit."),
        ("red , green ; blue : all !", "red, green; blue: all!"),
        ("in 1871 -LRB- or 1872 -RRB- ,", "in 1871 (or 1872),"),
        ("-LSB- sic -RSB- -LCB- x -RCB-", "[sic] {x}"),
        ("He said `` it is lit '' .", 'He said "it is lit".'),
        ("`` Lit ! '' he said , `` and bright . ''", '"Lit!" he said, "and bright."'),
        ('the " lamp " and the " wick "', 'the "lamp" and the "wick"'),
        ("the keeper 's lamp does n't burn", "the keeper's lamp doesn't burn"),
        ("they 've , I 'd , we 'll , I 'm , you 're", "they've, I'd, we'll, I'm, you're"),
        ("the keepers ' lamp ...", "the keepers' lamp..."),
        ("for $ 5 , £ 4 or 10 % of # 3", "for $5, £4 or 10% of #3"),
        ("Ünïcödé 東京 -- 😀", "Ünïcödé 東京 -- 😀"),
        ("a  b", "a  b"),
    ],
)
def test_join_words_gives_text_as_people_write_it(words, text):
    assert join_words(words.split(" ")).text == text


def test_join_words_tells_where_each_word_stands():
    words = ["He", "said", "``", "it", "does", "n't", "burn", "-LRB-", "yet", "-RRB-", "''", "."]
    joined = join_words(words)
    stands = [joined.text[begin:end] for begin, end in joined.words]
    assert stands == ["He", "said", '"', "it", "does", "n't", "burn", "(", "yet", ")", '"', "."]


# Sentences and questions


def read(folder, faults=None):
    faults = faults or Faults(allowed=False)
    sentences = read_sentences(folder / "wiki-sentences.tsv", faults)
    return read_questions(folder / "dev.tsv", sentences, faults)


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        (("6", "5 6", "6"), "1871"),
        (("5 6", "6", "6"), "1871"),
        (("5 6", "6", "0 1"), "in 1871"),
        (("", "6", "6"), "1871"),
        (("6", "", ""), None),
        (("", "", ""), None),
        (("1 0", "0 1", ""), "The keeper"),
        (("0 2", "0 2", "1"), "The keeper lit"),
        (("0 3", "0 3", "1"), None),
        (("6 99", "6 99", "6"), None),
        (("8", "8", "8"), None),
        (("7", "7", "7"), "."),
        (("-1", "-1", "x"), None),
        (("²", "²", "six"), None),
    ],
    ids=[
        "two of three", "validators against the writer", "all differ", "writer has none",
        "one alone", "none", "any order", "one word between", "two words between",
        "one index too large", "all indices too large", "last word", "no indices",
        "digits that are no numbers",
    ],
)  # fmt: skip
def test_read_questions_takes_the_span_that_most_annotators_gave(tmp_path, answers, text):
    folder = write_qamr(tmp_path / "qamr", {NAME: SENTENCE}, [qamr_row(NAME, ASKED, *answers)])
    sentence = read_sentences(folder / "wiki-sentences.tsv", Faults(allowed=False))[NAME]
    found = [sentence.text[slice(*each.span)] for each in read(folder)]
    assert found == ([text] if text else [])


def test_read_questions_names_them_by_line_and_ends_them_with_one_mark(tmp_path):
    rows = [
        qamr_row(NAME, asked, "6", "6", "6")
        for asked in (ASKED, f"{ASKED}?", f" {ASKED} ? ", "Ünï?")
    ]
    first, second, third, fourth = read(write_qamr(tmp_path / "qamr", {NAME: SENTENCE}, rows))
    assert first.question == second.question == f"{ASKED}?"
    assert third.question == f"{ASKED} ?"
    assert (fourth.question, fourth.name, fourth.sentence) == ("Ünï?", "dev:4", NAME)


GOOD_ROW = qamr_row(NAME, ASKED, "6", "6", "6")


@pytest.mark.parametrize(
    "bad",
    [GOOD_ROW[:6], ("no columns",), ("Wiki1k:wikipedia:9:9:9", *GOOD_ROW[1:])],
    ids=["too few columns", "one column", "unknown sentence"],
)
def test_bad_line_of_a_table_is_named_with_file_and_line(tmp_path, bad):
    rows = [GOOD_ROW, GOOD_ROW, bad, GOOD_ROW]
    folder = write_qamr(tmp_path / "qamr", {NAME: SENTENCE}, rows)
    with pytest.raises(InputError, match=r"qamr/dev\.tsv, line 3: 7 columns or more were expected"):
        read(folder)
    faults = Faults(allowed=True)
    assert [each.name for each in read(folder, faults)] == ["dev:1", "dev:2", "dev:4"]
    (told,) = faults.found
    assert "line 3" in told


@pytest.mark.parametrize("bad", [f"{NAME} {SENTENCE}", f"{NAME}\t", f"{NAME}\t "])
def test_bad_line_of_the_sentences_is_named_with_file_and_line(tmp_path, bad):
    path = tmp_path / "wiki-sentences.tsv"
    path.write_text(f"other:a:b\tA lamp .\n\n{bad}\nlast:a:b\tA keeper .\n")
    with pytest.raises(InputError, match=r"wiki-sentences\.tsv, line 3: a name, a tab and a sent"):
        read_sentences(path, Faults(allowed=False))
    faults = Faults(allowed=True)
    assert list(read_sentences(path, faults)) == ["other:a:b", "last:a:b"]
    assert len(faults.found) == 1


@pytest.mark.parametrize("odd", ["\r", "\u2028", "\x0b", "\x85"])
def test_only_newlines_end_a_line(tmp_path, odd):
    sentences = {"a:b:c": f"A lamp{odd}or two .", "d:e:f": "A keeper ."}
    folder = write_qamr(tmp_path / "qamr", sentences, [])
    found = read_sentences(folder / "wiki-sentences.tsv", Faults(allowed=False))
    assert [each.text for each in found.values()] == [f"A lamp{odd}or two.", "A keeper."]


def test_lines_may_end_as_on_windows(tmp_path):
    path = tmp_path / "wiki-sentences.tsv"
    path.write_bytes(b"a:b:c\tA lamp .\r\n\r\nd:e:f\tA keeper .\r\n")
    found = read_sentences(path, Faults(allowed=False))
    assert [each.text for each in found.values()] == ["A lamp.", "A keeper."]


# Rows

SENTENCES = {
    f"Wiki1k:news:{article}:{number}:0": f"Tower {article} {number} was lit by keeper {number} ."
    for article in range(3)
    for number in range(20)
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer(*SENTENCES.values(), "Who lit it?")


@pytest.fixture
def source(tmp_path, tokenizer) -> QamrSource:
    rows = [qamr_row(name, "Who lit it?", "6 7", "6 7", "7") for name in SENTENCES]
    folder = write_qamr(tmp_path / "qamr", SENTENCES, rows)
    return QamrSource(folder, tokenizer=tokenizer, faults=Faults(allowed=False))


def draw(source, tokenizer, index, seed, max_seq_len=384):
    """Returns a row's sentences and its answer as words."""
    row = source.draw(index, rng=random.Random(seed), max_seq_len=max_seq_len)
    ((first, last),) = row.spans
    context = words_of(tokenizer, row.ids[row.first : -1])
    assert words_of(tokenizer, row.ids[: row.first]) == "[CLS] who lit it ? [SEP]"
    sentences = [f"{each.strip()} ." for each in context.split(".") if each.strip()]
    return sentences, words_of(tokenizer, row.ids[first : last + 1])


def test_draw_sets_the_sentence_among_one_to_six(source, tokenizer):
    own = [sentence.lower() for sentence in SENTENCES.values()]
    assert len(source) == len(own) == 60
    sizes, places, from_article, companions = set(), set(), 0, 0
    for seed in range(400):
        index = seed % len(own)
        sentences, answer = draw(source, tokenizer, index, seed)
        assert answer == f"keeper {index % 20}"
        assert sentences.count(own[index]) == 1
        assert len(set(sentences)) == len(sentences)
        sizes.add(len(sentences))
        places.add(sentences.index(own[index]))
        others = set(sentences) - {own[index]}
        companions += len(others)
        from_article += len(others & set(own[index // 20 * 20 : index // 20 * 20 + 20]))
    assert sizes == set(range(1, MAX_COMPANIONS + 2))
    assert places == set(range(MAX_COMPANIONS + 1))
    # Half are of the same article, and a third of the others by chance.
    assert 0.58 < from_article / companions < 0.73


def test_draw_depends_on_the_random_numbers_alone(source, tokenizer):
    assert draw(source, tokenizer, 7, seed=3) == draw(source, tokenizer, 7, seed=3)
    assert len({tuple(draw(source, tokenizer, 7, seed)[0]) for seed in range(20)}) > 10


def test_draw_short_row_is_a_window_around_the_answer(source, tokenizer):
    for seed in range(100):
        row = source.draw(5, rng=random.Random(seed), max_seq_len=16)
        assert len(row.ids) <= 16
        _, answer = draw(source, tokenizer, 5, seed, max_seq_len=16)
        assert answer == "keeper 5"


def test_draw_without_answer_asks_of_other_sentences(source, tokenizer):
    lengths = set()
    for seed in range(100):
        row = source.draw_without_answer(7, rng=random.Random(seed), max_seq_len=384)
        if row is None:
            continue
        own = source.draw(7, rng=random.Random(seed), max_seq_len=384)
        answer = own.ids[own.spans[0][0] : own.spans[0][1] + 1]
        context = row.ids[row.first : -1]
        assert row.spans == ((0, 0),)
        assert row.ids[: row.first] == own.ids[: own.first]
        assert context
        assert all(context[i : i + len(answer)] != answer for i in range(len(context)))
        lengths.add(len(context))
    assert len(lengths) == MAX_COMPANIONS


def test_source_reads_every_table_of_the_folder(tmp_path, tokenizer):
    folder = write_qamr(tmp_path / "qamr", SENTENCES, [])
    for name in ("train", "dev"):
        row = qamr_row(next(iter(SENTENCES)), "Who?", "6", "6", "6")
        (folder / f"{name}.tsv").write_text("\t".join(row))
    source = QamrSource(folder, tokenizer=tokenizer, faults=Faults(allowed=False))
    drawn = [source.draw(n, rng=random.Random(0), max_seq_len=64).name for n in range(len(source))]
    assert drawn == ["dev:1", "train:1"]


def test_source_without_a_question_is_refused(tmp_path, tokenizer):
    folder = write_qamr(tmp_path / "qamr", SENTENCES, [])
    with pytest.raises(InputError, match="qamr holds no question to train on") as caught:
        QamrSource(folder, tokenizer=tokenizer, faults=Faults(allowed=True))
    assert "dev.tsv" in caught.value.hint


def test_answer_of_which_no_token_is_left_is_a_fault(tmp_path, tokenizer):
    sentences = {NAME: "The keeper \u200b lit 1 ."}
    rows = [qamr_row(NAME, "Who?", "1", "1"), qamr_row(NAME, "What?", "2", "2")]
    folder = write_qamr(tmp_path / "qamr", sentences, rows)
    with pytest.raises(InputError, match=r"qamr, dev:2: the answer holds nothing that can be read"):
        QamrSource(folder, tokenizer=tokenizer, faults=Faults(allowed=False))
    faults = Faults(allowed=True)
    assert len(QamrSource(folder, tokenizer=tokenizer, faults=faults)) == 1
    assert len(faults.found) == 1


def test_is_qamr_tells_a_folder_by_its_sentences(tmp_path):
    assert is_qamr(write_qamr(tmp_path / "qamr", {}, []))
    assert not is_qamr(tmp_path)
    assert not is_qamr(tmp_path / "qamr" / "dev.tsv")
    assert not is_qamr(tmp_path / "absent")
