import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer

from converters.values.errors import InputError
from pipeline.on_device.question_answering.rules import SpanRules
from pipeline.tasks.question_answering import spans
from pipeline.tasks.question_answering.spans import Answer, best_span
from pipeline.tasks.question_answering.squad import Question, labelled_questions
from pipeline.tasks.task import Encoded

NAMES = ("input_ids", "attention_mask", "token_type_ids")


def ask(question: str, context: str) -> Question:
    return Question(id="q", question=question, context=context, answers=())


def encode(
    tokenizer: Tokenizer,
    question: str,
    context: str,
    *,
    seq_lens: tuple[int, ...] = (64,),
    rules: SpanRules = spans.RULES,
) -> Encoded:
    return spans.encode(
        ask(question, context), tokenizer=tokenizer, input_names=NAMES, seq_lens=seq_lens,
        rules=rules,
    )  # fmt: skip


def logits_for(encoded: Encoded, *, start: int, end: int) -> list[dict[str, np.ndarray]]:
    """Returns logits of a model that is sure of the span between two characters, if it sees it."""
    outputs = []
    for window in encoded.rows:
        row = {name: np.zeros((1, window.seq_len), np.float32) for name in spans.OUTPUT_NAMES}
        # High values outside the context must not matter.
        for values in row.values():
            values[0, : window.first] = 50
            values[0, window.num_tokens - 1 :] = 50
        for position, (begin, stop) in enumerate(window.offsets, window.first):
            row["start_logits"][0, position] = 9.0 * (begin == start)
            row["end_logits"][0, position] = 9.0 * (stop == end)
        outputs.append(row)
    return outputs


@pytest.mark.parametrize("seq_lens", [(8,), (16,), (24, 64), (32, 128, 384)])
def test_encode_windows_cover_every_token_of_every_context(tokenizer, seq_lens):
    longest = seq_lens[-1]
    for example in labelled_questions()[::9]:
        encoded = spans.encode(example, tokenizer=tokenizer, input_names=NAMES, seq_lens=seq_lens)
        tokens = tokenizer.encode(example.context, add_special_tokens=False)
        expected = list(zip(tokens.offsets, tokens.ids, strict=True))
        question = tokenizer.encode(example.question, add_special_tokens=False).ids
        covered = 0
        for window in encoded.rows:
            ids = window.inputs["input_ids"][0]
            start = expected.index((window.offsets[0], int(ids[window.first])))
            assert start <= covered, "a gap between windows"
            size = len(window.offsets)
            covered = start + size
            assert [pair[0] for pair in expected[start:covered]] == list(window.offsets)
            assert [pair[1] for pair in expected[start:covered]] == (
                ids[window.first : window.first + size].tolist()
            )
            kept = question[: window.first - 2]
            assert ids[: window.first].tolist() == [2, *kept, 3]
            assert ids[window.first + size] == 3
            assert not ids[window.num_tokens :].any()
            assert window.num_tokens == window.first + size + 1
            assert window.seq_len in seq_lens
            smaller = [length for length in seq_lens if length >= window.num_tokens]
            assert window.seq_len == smaller[0], "not the smallest length that holds it"
            assert window.num_tokens <= longest
            types = window.inputs["token_type_ids"][0]
            assert types.tolist() == (
                [0] * window.first + [1] * (size + 1) + [0] * (window.seq_len - window.num_tokens)
            )
            mask = window.inputs["attention_mask"][0].tolist()
            assert mask == [1] * window.num_tokens + [0] * (window.seq_len - window.num_tokens)
            assert {value.dtype for value in window.inputs.values()} == {np.dtype(np.int32)}
        assert covered == len(expected)


def test_encode_overlap_is_as_the_rules_say(tokenizer):
    rules = spans.RULES.model_copy(update={"window_overlap_tokens": 5})
    encoded = encode(tokenizer, "Who?", "the tower and the road " * 40, seq_lens=(32,), rules=rules)
    for former, latter in zip(encoded.rows[:-2], encoded.rows[1:-1], strict=True):
        assert former.offsets[-5:] == latter.offsets[:5]


def test_encode_long_question_is_cut_and_leaves_room_for_the_context(tokenizer):
    encoded = encode(
        tokenizer, "who came to the tower " * 50, "The road was closed.", seq_lens=(384,)
    )
    assert encoded.rows[0].first == spans.RULES.max_question_tokens + 2
    short = encode(tokenizer, "who came to the tower " * 50, "The road was closed.", seq_lens=(16,))
    assert short.rows[0].first == 6 + 2


def test_encode_only_the_inputs_that_are_asked_for(tokenizer):
    encoded = spans.encode(
        ask("Who?", "Ada came."), tokenizer=tokenizer,
        input_names=("input_ids", "attention_mask"), seq_lens=(16,),
    )  # fmt: skip
    assert tuple(encoded.rows[0].inputs) == ("input_ids", "attention_mask")


def make_tokenizer(*words: str) -> Tokenizer:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]
    built = BertWordPieceTokenizer(vocab={word: index for index, word in enumerate(names)})
    return Tokenizer.from_str(built.to_str())


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("the Café was closed", "Café"),
        ("the Cafe\u0301s were closed", "Cafe\u0301s"),
        ("the 東京 was closed", "東京"),
        ("the 😀 closed, closed 😀😀 was", "closed 😀😀 was"),
        ("the \uff21\uff22 \u200b\ufeffwas\u00a0closed", "was\u00a0closed"),
        ("the 👩\u200d🚀 İstanbul was closed", "İstanbul was"),
        ("the\r\n\tcafe\r\nwas", "cafe\r\nwas"),
    ],
)
def test_decode_gives_exact_substrings(context, answer):
    tokenizer = make_tokenizer(
        "the",
        "cafe",
        "cafes",
        "was",
        "closed",
        ",",
        "東",
        "京",
        "😀",
        "##😀",
        "\uff41\uff42",
        "istanbul",
        "who",
    )
    start = context.index(answer)
    end = start + len(answer)
    encoded = encode(tokenizer, "who was", context)
    decoded = spans.decode(encoded, logits_for(encoded, start=start, end=end))
    assert (decoded.text, decoded.start, decoded.end) == (answer, start, end)


def test_decode_leaves_out_an_accent_that_ends_a_word_by_itself():
    """The tokenizer drops it, and its offsets end before it, as in every user of `tokenizers`."""
    tokenizer = make_tokenizer("the", "cafe", "was", "who")
    encoded = encode(tokenizer, "who was", "the Cafe\u0301 was")
    decoded = spans.decode(encoded, logits_for(encoded, start=4, end=8))
    assert (decoded.text, decoded.start, decoded.end) == ("Cafe", 4, 8)


@given(st.text(min_size=1, max_size=20), st.data())
def test_decode_any_text_gives_a_substring_of_the_context(text, data):
    tokenizer = make_tokenizer("the", "was", *"abcdefghijklmnopqrstuvwxyz", *"0123456789.,!?")
    context = "the was the was the was " * 4 + text
    encoded = encode(tokenizer, "was the", context, seq_lens=(16, 32))
    outputs = [
        {
            name: data.draw(
                arrays(np.float32, (1, window.seq_len), elements=st.floats(-20, 20, width=32))
            )
            for name in spans.OUTPUT_NAMES
        }
        for window in encoded.rows
    ]
    answer = spans.decode(encoded, outputs)
    assert 0 <= answer.start <= answer.end <= len(context)
    assert answer.text == context[answer.start : answer.end]
    assert 0 <= answer.score <= 1


def brute_force(start: Sequence[float], end: Sequence[float], limit: int) -> tuple[float, int, int]:
    """Returns the best span by trying all: of equal ones the first, and of those the shortest."""
    spans = [
        (start[i] + end[j], -i, -j)
        for i in range(len(start))
        for j in range(i, min(i + limit, len(end)))
    ]
    value, i, j = max(spans)
    return value, -i, -j


# Whole numbers tie often, and their sums are exact.
LOGITS = st.integers(1, 12).flatmap(
    lambda size: st.tuples(
        *[st.lists(st.integers(-4, 4).map(float), min_size=size, max_size=size)] * 2
    )
)


@given(LOGITS, st.integers(1, 15))
def test_best_span_equals_brute_force(logits, limit):
    start, end = logits
    found = best_span(np.array(start), np.array(end), max_tokens=limit)
    assert found == brute_force(start, end, limit)


def test_decode_takes_the_best_window(tokenizer):
    context = " ".join(f"the tower was lit in {year}" for year in range(1800, 1860))
    encoded = encode(tokenizer, "When was the tower lit?", context)
    assert len(encoded.rows) > 5
    start = context.index("1851")
    decoded = spans.decode(encoded, logits_for(encoded, start=start, end=start + 4))
    assert (decoded.text, decoded.start) == ("1851", start)


def test_decode_score_is_a_softmax_over_all_windows():
    tokenizer = make_tokenizer("a", "b", "c", "who")
    encoded = encode(tokenizer, "who", "a b c a b", seq_lens=(8,))
    assert [len(window.offsets) for window in encoded.rows] == [4, 4]
    outputs = []
    for _ in encoded.rows:
        outputs.append({name: np.zeros((1, 8), np.float32) for name in spans.OUTPUT_NAMES})
    outputs[1]["start_logits"][0, 3 + 3] = math.log(3)
    outputs[1]["end_logits"][0, 3 + 3] = math.log(5)
    decoded = spans.decode(encoded, outputs)
    assert (decoded.text, decoded.start, decoded.end) == ("b", 8, 9)
    assert decoded.score == pytest.approx(3 / (7 + 3) * 5 / (7 + 5))


def test_decode_obeys_the_longest_answer():
    tokenizer = make_tokenizer("a", "who")
    encoded = encode(tokenizer, "who", "a a a a a a")
    row = {name: np.zeros((1, 64), np.float32) for name in spans.OUTPUT_NAMES}
    row["start_logits"][0, 3] = 5
    row["end_logits"][0, 3 + 4] = 5
    long = spans.decode(
        encoded, [row], rules=spans.RULES.model_copy(update={"max_answer_tokens": 5})
    )
    assert long.text == "a a a a a"
    short = spans.decode(
        encoded, [row], rules=spans.RULES.model_copy(update={"max_answer_tokens": 4})
    )
    assert short.text in ("a", "a a a a")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.filterwarnings("error")
def test_decode_logits_that_are_not_finite_give_a_score_that_is_not_a_number(tokenizer, value):
    encoded = encode(tokenizer, "Who?", "the tower " * 60)
    outputs = [
        {name: np.full((1, window.seq_len), value, np.float32) for name in spans.OUTPUT_NAMES}
        for window in encoded.rows
    ]
    decoded = spans.decode(encoded, outputs)
    assert math.isnan(decoded.score)
    assert decoded.text == encoded.context[decoded.start : decoded.end]


@pytest.mark.filterwarnings("error")
def test_decode_one_window_of_nan_leaves_the_span_of_the_others(tokenizer):
    context = "the tower was lit in 1871 " + "the road was closed " * 40
    encoded = encode(tokenizer, "When?", context)
    start = context.index("1871")
    outputs = logits_for(encoded, start=start, end=start + 4)
    outputs[-1]["start_logits"][:] = np.nan
    decoded = spans.decode(encoded, outputs)
    assert decoded.text == "1871"
    assert math.isnan(decoded.score)


@pytest.mark.parametrize(
    ("none", "best", "expected"),
    [
        ((9.0, 3.0), 2.9, True),
        ((9.0, 3.0), 3.0, False),  # no farther ahead than the span: the threshold is 0
        ((3.0, 9.0), 3.1, False),  # the window where it is smallest counts
        ((-1.0, -1.0), -1.5, True),
        ((math.nan, 9.0), 0.0, False),
        ((9.0, math.nan), 0.0, False),
    ],
)
def test_no_answer_is_ahead_where_it_is_so_in_every_window(tokenizer, none, best, expected):
    encoded = encode(tokenizer, "Who?", "the tower and the road " * 10, seq_lens=(48,))
    first, *others = encoded.rows
    assert others
    outputs = []
    for window, value in zip(encoded.rows, (none[0], *[none[1]] * len(others)), strict=True):
        start = np.full((1, window.seq_len), -50, np.float32)
        start[0, 0] = value - 0.25
        end = start.copy()
        end[0, 0] = 0.25
        outputs.append({"start_logits": start, "end_logits": end})
    outputs[1]["start_logits"][0, others[0].first] = best
    outputs[1]["end_logits"][0, others[0].first] = 0
    outputs[0]["end_logits"][0, first.num_tokens :] = 99  # padding is no span
    assert spans.decode(encoded, outputs).prefers_none is expected


def test_margin_between_spans_is_the_difference_of_their_logits():
    tokenizer = make_tokenizer("a", "b", "who")
    encoded = encode(tokenizer, "who", "a b a")
    (row,) = logits_for(encoded, start=2, end=3)
    row["start_logits"][0, 3] = 9.0 - 0.05
    row["end_logits"][0, 3] = 9.0 - 0.15
    best = Answer(text="b", start=2, end=3, score=1.0)
    other = Answer(text="a", start=0, end=1, score=1.0)
    assert spans.margin(encoded, [row], preferred=best, other=other) == pytest.approx(0.2, abs=1e-5)
    assert spans.margin(encoded, [row], preferred=other, other=best) == pytest.approx(
        -0.2, abs=1e-5
    )
    assert spans.margin(encoded, [row], preferred=best, other=best) == 0


# Its letters are tokens, so that a syllable is two or three of them, all with its offsets.
JAMO = make_tokenizer(
    "who", *(f"{prefix}{chr(point)}" for prefix in ("", "##")
             for first, last in ((0x1100, 0x1113), (0x1161, 0x1176), (0x11A8, 0x11C3))
             for point in range(first, last)),
)  # fmt: skip
KOREAN = st.text(st.sampled_from("가각힣서울은 한국의수도"), min_size=1, max_size=14).filter(
    str.strip
)


@given(KOREAN, st.integers(1, 12), st.sampled_from([(16,), (16, 32), (64,)]), st.data())
def test_margin_is_that_of_the_best_tokens_of_each_span(context, max_tokens, seq_lens, data):
    rules = spans.RULES.model_copy(update={"max_answer_tokens": max_tokens})
    encoded = encode(JAMO, "who", context, seq_lens=seq_lens)
    outputs = [
        {
            name: data.draw(arrays(np.float32, (1, window.seq_len), elements=st.floats(
                -20, 20, width=32)))
            for name in spans.OUTPUT_NAMES
        }
        for window in encoded.rows
    ]  # fmt: skip
    values: dict[tuple[int, int], float] = {}
    for window, logits in zip(encoded.rows, outputs, strict=True):
        for first, (begin, _) in enumerate(window.offsets):
            for last in range(first, min(first + max_tokens, len(window.offsets))):
                span = begin, window.offsets[last][1]
                value = float(logits["start_logits"][0, window.first + first]) + float(
                    logits["end_logits"][0, window.first + last]
                )
                values[span] = max(values.get(span, -math.inf), value)
    decoded = spans.decode(encoded, outputs, rules=rules)
    assert values[decoded.start, decoded.end] == max(values.values())
    for (begin, stop), value in values.items():
        other = Answer(text=context[begin:stop], start=begin, end=stop, score=0.0)
        margin = spans.margin(encoded, outputs, preferred=decoded, other=other, rules=rules)
        assert margin == max(values.values()) - value >= 0
    assert spans.margin(encoded, outputs, preferred=decoded, other=decoded, rules=rules) == 0


def test_margin_of_a_syllable_of_several_tokens_looks_at_all_of_them():
    encoded = encode(JAMO, "who", "서울 각")
    (window,) = encoded.rows
    assert window.offsets[-3:] == ((3, 4),) * 3
    row = {name: np.zeros((1, 64), np.float32) for name in spans.OUTPUT_NAMES}
    last = window.first + len(window.offsets) - 1
    row["start_logits"][0, last] = row["end_logits"][0, last] = 8
    decoded = spans.decode(encoded, [row])
    assert decoded.text == "각"
    other = Answer(text="서", start=0, end=1, score=0.0)
    assert spans.margin(encoded, [row], preferred=decoded, other=other) == 16


def test_margin_to_what_is_no_span_of_tokens_is_infinite(tokenizer):
    encoded = encode(tokenizer, "Who?", "the tower was lit")
    outputs = logits_for(encoded, start=4, end=9)
    best = spans.decode(encoded, outputs)
    nothing = Answer(text="", start=0, end=0, score=math.nan)
    assert spans.margin(encoded, outputs, preferred=best, other=nothing) == math.inf


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t\u00a0\u3000", "\u200b\u200b", "\x00\x01", "\ufeff"]
)
def test_encode_empty_text_is_refused(tokenizer, text):
    with pytest.raises(InputError, match=r"the question (is empty|holds no token)") as caught:
        encode(tokenizer, text, "The road was closed.")
    assert caught.value.hint
    with pytest.raises(InputError, match=r"the context (is empty|holds no token)"):
        encode(tokenizer, "What was closed?", text)


def test_encode_context_of_a_million_characters_is_refused_with_the_limit(tokenizer):
    with pytest.raises(InputError, match="has 1,000,000 characters; at most 200,000") as caught:
        encode(tokenizer, "What was closed?", "The road. " * 100_000)
    assert "split the text" in caught.value.hint


def test_encode_context_at_the_limit_is_read_whole(tokenizer):
    context = ("the road was closed " * 10_000)[: spans.RULES.max_text_characters]
    encoded = encode(tokenizer, "What was closed?", context, seq_lens=(384,))
    assert encoded.rows[-1].offsets[-1][1] == len(context.rstrip())


def test_encode_one_word_of_a_hundred_thousand_characters(tokenizer):
    with pytest.raises(InputError, match="1 of the 1 tokens of the context are not"):
        encode(tokenizer, "What was closed?", "x" * 100_000)


@pytest.mark.parametrize(
    "text", ["Что было закрыто на острове", "どうろはしまっていた", "ถนนปิด", "🜁🜂 🜃"]
)
def test_encode_script_outside_the_vocabulary_is_refused(tokenizer, text):
    with pytest.raises(InputError, match="of the context are not in the student's vocabulary"):
        encode(tokenizer, "What was closed?", text)
    with pytest.raises(InputError, match="of the question are not in the student's vocabulary"):
        encode(tokenizer, text, "The road was closed.")


def test_encode_a_few_unknown_words_are_read(tokenizer):
    encoded = encode(tokenizer, "What was closed?", "The road to 東京 was closed by дождь.")
    assert encoded.rows[0].offsets[0] == (0, 3)


@pytest.mark.parametrize("text", ["half \ud83d of a pair", "\udc80"])
def test_encode_lone_surrogate_is_refused(tokenizer, text):
    with pytest.raises(InputError, match=r"is not valid Unicode: .* at character"):
        encode(tokenizer, "What was closed?", text)
    with pytest.raises(InputError, match="the question is not valid Unicode"):
        encode(tokenizer, text, "The road was closed.")
