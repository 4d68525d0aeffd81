import random

import pytest

from pipeline.distillation.question_answering.rows import Row, encode_texts, make_row, token_span
from pipeline.tasks.question_answering.spans import RULES

CLS, SEP = 2, 3
QUESTION = [10, 11, 12]
CONTEXT = list(range(100, 140))


@pytest.fixture
def row(tokenizer):
    """Makes a row of the question and the context above, and perhaps others."""
    assert (tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")) == (CLS, SEP)

    def make(*spans, max_seq_len=384, seed=0, question=QUESTION, context=CONTEXT) -> Row:
        return make_row(
            "example",
            question=question,
            context=context,
            spans=spans,
            max_seq_len=max_seq_len,
            tokenizer=tokenizer,
            rng=random.Random(seed),
        )

    return make


def answers(row: Row) -> list[list[int]]:
    return [row.ids[first : last + 1] for first, last in row.spans]


def window(row: Row) -> list[int]:
    return row.ids[row.first : -1]


# Texts as tokens


def test_encode_texts_gives_the_characters_of_each_token_and_no_special_ones(tokenizer):
    texts = ["The tower was lit.", "", "Ünïcödé café"]
    first, empty, accented = encode_texts(tokenizer, texts)
    assert "".join(texts[0][begin:end] for begin, end in first.offsets) == "Thetowerwaslit."
    assert (empty.ids, empty.offsets) == ([], [])
    assert "".join(texts[2][begin:end] for begin, end in accented.offsets) == "Ünïcödécafé"
    for each in (first, accented):
        assert not {CLS, SEP} & set(each.ids)
        assert len(each.ids) == len(each.offsets)


@pytest.mark.parametrize(
    ("begin", "end", "span"),
    [
        (0, 3, (0, 0)),
        (1, 2, (0, 0)),
        (2, 5, (0, 1)),
        (0, 9, (0, 2)),
        (3, 4, None),
        (9, 20, None),
        (4, 4, None),
    ],
    ids=["whole", "inside", "parts of two", "all", "space between", "beyond", "empty"],
)
def test_token_span_holds_every_token_that_is_touched(begin, end, span):
    assert token_span([(0, 3), (4, 6), (6, 9)], begin, end) == span


# Rows that hold the whole context


def test_row_is_laid_out_as_bert_reads_it(row):
    made = row((0, 1), (38, 39))
    assert made.ids == [CLS, *QUESTION, SEP, *CONTEXT, SEP]
    assert made.first == 5
    assert made.ids[made.first] == CONTEXT[0]
    assert made.name == "example"
    assert answers(made) == [[100, 101], [138, 139]]


def test_row_that_just_fits_is_not_cut(row):
    longest = len(QUESTION) + len(CONTEXT) + 3
    assert window(row((0, 1), max_seq_len=longest)) == CONTEXT
    assert len(row((0, 1), max_seq_len=longest - 1).ids) == longest - 1


def test_row_keeps_equal_answers_apart_as_each_counts(row):
    assert answers(row((4, 5), (4, 5), (7, 7))) == [[104, 105], [104, 105], [107]]


# Windows of a context that is too long


@pytest.mark.parametrize("span", [(0, 0), (0, 3), (17, 20), (39, 39), (30, 39)])
def test_window_holds_the_first_answer_whole_wherever_it_begins(row, span):
    begins = set()
    for seed in range(300):
        made = row(span, max_seq_len=16, seed=seed)
        assert len(made.ids) == 16
        assert answers(made) == [CONTEXT[span[0] : span[1] + 1]]
        begin = CONTEXT.index(window(made)[0])
        assert window(made) == CONTEXT[begin : begin + 10]
        begins.add(begin)
    first, last = span
    possible = range(max(0, last - 9), min(first, len(CONTEXT) - 10) + 1)
    assert begins == set(possible), "each window that holds the answer comes up"


def test_window_cuts_an_answer_that_is_longer(row):
    for seed in range(20):
        made = row((5, 30), max_seq_len=16, seed=seed)
        assert answers(made) == [CONTEXT[5:15]]


def test_window_leaves_out_other_answers_that_it_does_not_hold_whole(row):
    others = [(18, 19), (22, 25), (21, 35), (0, 2), (20, 20)]
    seen = set()
    for seed in range(100):
        made = row((20, 20), *others, max_seq_len=16, seed=seed)
        first, *kept = answers(made)
        begin = CONTEXT.index(window(made)[0])
        inside = [(a, b) for a, b in others if begin <= a and b < begin + 10]
        assert first == [120]
        assert kept == [CONTEXT[a : b + 1] for a, b in inside]
        seen.add(len(kept))
    assert seen == {2, 3}, "with and without the answers before and after"


def test_row_depends_on_the_random_numbers_alone(row):
    assert row((20, 20), max_seq_len=16, seed=5) == row((20, 20), max_seq_len=16, seed=5)
    assert len({tuple(row((20, 20), max_seq_len=16, seed=n).ids) for n in range(20)}) > 1


# Questions that are too long


@pytest.mark.parametrize(
    ("max_seq_len", "kept"), [(384, RULES.max_question_tokens), (60, 28), (16, 6)]
)
def test_long_question_leaves_half_of_the_row_to_the_context(row, max_seq_len, kept):
    question = list(range(1000, 1090))
    made = row((0, 0), max_seq_len=max_seq_len, question=question)
    assert made.ids[1 : made.first - 1] == question[:kept]
    assert len(made.ids) == min(max_seq_len, kept + len(CONTEXT) + 3)
    assert answers(made) == [[100]]


def test_make_row_without_an_answer_points_at_cls_wherever_the_window_begins(row):
    short = row(max_seq_len=384)
    assert window(short) == CONTEXT
    assert answers(short) == [[CLS]]
    begins = {window(row(max_seq_len=20, seed=seed))[0] for seed in range(200)}
    assert begins == set(range(100, 100 + len(CONTEXT) - 14 + 1))
    assert answers(row(max_seq_len=20)) == [[CLS]]
