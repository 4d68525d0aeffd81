import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.values.errors import InputError
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.on_device.question_answering.rules import SpanRules
from pipeline.on_device.question_answering.windows import best_answer, best_span, cut
from pipeline.on_device.texts import check_text
from pipeline.on_device.wordpiece import Tokens, open_tokenizer, utf16_offsets
from pipeline.tasks.question_answering import spans
from pipeline.tasks.question_answering.spans import RULES
from pipeline.tasks.question_answering.squad import Question
from pipeline.tokenizer.tokenization import set_second_type, tokenizer_part
from tests.bundles import MANIFEST
from tests.vectors.tokenizers import spelling

NAMES = ("input_ids", "attention_mask", "token_type_ids")


def test_reference_equals_the_student_on_every_vector(vectors):
    folder = vectors / "uncased"
    settings = json.loads((folder / "settings.json").read_bytes())
    part = TokenizerPart.model_validate(settings["tokenizer"])
    rules = SpanRules.model_validate(settings["task"]["rules"])
    opened = open_tokenizer(folder, part)
    answers = json.loads((folder / "answers.json").read_bytes())["answers"]
    assert max(len(each["windows"]) for each in answers) > 50
    for each in answers:
        windows = cut(
            opened.tokenize(each["question"]),
            opened.tokenize(each["context"]),
            tokenizer=part,
            rules=rules,
            seq_lens=each["seq_lens"],
        )
        logits = [
            [window.pop(name) for window in each["windows"]]
            for name in ("start_logits", "end_logits")
        ]
        assert json.loads(json.dumps([vars(window) for window in windows])) == each["windows"]
        answer = best_answer(each["context"], windows, *logits, rules=rules)
        expected = each["answer"]
        assert (answer.text, answer.start, answer.end) == (
            expected["text"], expected["start"], expected["end"],
        )  # fmt: skip
        assert answer.score == pytest.approx(expected["score"], rel=1e-9)
        ((start, end),) = utf16_offsets(each["context"], [(answer.start, answer.end)])
        assert (start, end) == (expected["utf16_start"], expected["utf16_end"])


@given(
    num_question=st.integers(1, 40),
    num_context=st.integers(1, 120),
    lengths=st.sets(st.integers(5, 60), min_size=1, max_size=4).map(sorted),
    limits=st.tuples(st.integers(1, 30), st.integers(1, 12), st.integers(0, 50)),
    second=st.sampled_from([0, 1]),
    data=st.data(),
)
def test_reference_equals_the_flow_at_any_lengths_and_rules(
    num_question, num_context, lengths, limits, second, data
):
    names = ("max_question_tokens", "max_answer_tokens", "window_overlap_tokens")
    rules = RULES.model_copy(update=dict(zip(names, limits, strict=True)))
    question, context = "! " * num_question, "? " * num_context
    tokenizer = spelling([question, context])
    set_second_type(tokenizer, second)
    encoded = spans.encode(
        Question(id="", question=question, context=context, answers=()),
        tokenizer=tokenizer, input_names=NAMES, seq_lens=tuple(lengths), rules=rules,
    )  # fmt: skip
    windows = cut(
        tokens(tokenizer.encode(question, add_special_tokens=False)),
        tokens(tokenizer.encode(context, add_special_tokens=False)),
        tokenizer=tokenizer_part(tokenizer),
        rules=rules,
        seq_lens=lengths,
    )
    for mine, theirs in zip(windows, encoded.rows, strict=True):
        for name in NAMES:
            assert getattr(mine, name) == tuple(theirs.inputs[name][0].tolist())
        assert (mine.first, mine.offsets) == (theirs.first, theirs.offsets)
    seed = data.draw(st.integers(0, 2**32 - 1))
    chance = np.random.default_rng(seed)
    # Few values, so that spans tie.
    rows = [
        {name: chance.integers(0, 4, (1, window.seq_len)).astype(np.float32)
         for name in spans.OUTPUT_NAMES}
        for window in encoded.rows
    ]  # fmt: skip
    expected = spans.decode(encoded, rows, rules=rules)
    starts, ends = ([row[name][0].tolist() for row in rows] for name in spans.OUTPUT_NAMES)
    answer = best_answer(context, windows, starts, ends, rules=rules)
    assert (answer.text, answer.start, answer.end) == (expected.text, expected.start, expected.end)
    assert answer.score == pytest.approx(expected.score, rel=1e-9)


def tokens(encoding):
    return Tokens(
        tokens=tuple(encoding.tokens), ids=tuple(encoding.ids), offsets=tuple(encoding.offsets)
    )


WORD = Tokens(tokens=("a",), ids=(7,), offsets=((0, 1),))


def tokens_of(*ids: int) -> Tokens:
    return Tokens(tokens=("a",) * len(ids), ids=ids, offsets=((0, 1),) * len(ids))


@pytest.mark.parametrize(
    ("text", "ids", "match"),
    [
        ("", (), "the context holds no token"),
        ("a" * 201, (7,), "has 201 characters; at most 200"),
        ("abc", (1, 1, 7), "most of the context is not in"),
    ],
)  # fmt: skip
def test_check_text_refuses_what_the_student_cannot_read(text, ids, match):
    rules = RULES.model_copy(update={"max_text_characters": 200})
    with pytest.raises(InputError, match=match):
        check_text("context", text, tokens_of(*ids), unknown=1, rules=rules)


def test_check_text_takes_a_text_of_half_unknown_words():
    check_text("context", "a", tokens_of(1, 7), unknown=1, rules=RULES)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_score_of_logits_that_are_not_finite_is_no_number(bad):
    windows = cut(WORD, WORD, tokenizer=MANIFEST.tokenizer, rules=RULES, seq_lens=[8])
    row = [0.0] * windows[0].first + [bad] + [0.0] * 4
    assert math.isnan(best_answer("a", windows, [row], [row], rules=RULES).score)


def test_best_span_with_a_sum_that_is_no_number_has_no_value():
    assert math.isnan(best_span([1.0, math.nan], [1.0, 2.0], max_tokens=2)[0])


def test_best_span_of_equal_ones_is_the_first():
    assert best_span([1.0, 1.0], [1.0, 1.0], max_tokens=2) == (2.0, 0, 0)
