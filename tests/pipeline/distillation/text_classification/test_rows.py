import math

import pytest

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults
from pipeline.distillation.text_classification.rows import make_rows
from pipeline.tasks.text_classification import RULES, TextClassification
from pipeline.tasks.text_classification.labelled import LabelledText
from tests.pipeline.distillation.small_data import word_tokenizer, words_of

WORDS = word_tokenizer("one two three four five six seven eight nine ten")
COUNT = "one two three four five six seven eight nine ten"


def task(problem="single_label_classification", *, labels=("bad", "good"), pair=False):
    rules = RULES.model_copy(update={"problem_type": problem, "pair": pair})
    return TextClassification(rules=rules, labels=labels)


def rows(*examples, of=None, max_seq_len=32, allowed=False):
    faults = Faults(allowed=allowed)
    made = make_rows(
        examples, task=of or task(), tokenizer=WORDS, max_seq_len=max_seq_len, faults=faults
    )
    return made, faults.found


def text(first, second=None, **fields):
    return LabelledText(id="a.tsv:2", text=first, text_pair=second, **fields)


def test_row_of_one_text_is_between_its_special_tokens():
    ((row,), _) = rows(text("one two", labels=("good",)))
    assert words_of(WORDS, row.ids) == "[CLS] one two [SEP]"
    assert row.second == 4
    assert (row.name, row.target) == ("a.tsv:2", (0.0, 1.0))


def test_row_of_two_texts_says_where_the_second_begins():
    ((row,), _) = rows(text("one two", "three", labels=("bad",)), of=task(pair=True))
    assert words_of(WORDS, row.ids) == "[CLS] one two [SEP] three [SEP]"
    assert words_of(WORDS, row.ids[row.second :]) == "three [SEP]"
    assert row.target == (1.0, 0.0)


@pytest.mark.parametrize("seq_len", [5, 6, 8, 11, 13, 14, 40])
@pytest.mark.parametrize("pair", [False, True])
def test_row_that_is_too_long_is_cut_as_the_task_cuts_it(seq_len, pair):
    of = task(pair=pair)
    for first, second in ((COUNT, "one two"), ("one two", COUNT), (COUNT, COUNT)):
        example = text(first, second if pair else None, labels=("good",))
        ((row,), _) = rows(example, of=of, max_seq_len=seq_len)
        asked = of.encode(
            example, tokenizer=WORDS, input_names=("input_ids", "attention_mask"),
            seq_lens=(seq_len,),
        )  # fmt: skip
        (expected,) = asked.rows
        assert row.ids == expected.inputs["input_ids"][0, : expected.num_tokens].tolist()


@pytest.mark.parametrize(
    ("problem", "fields", "target"),
    [
        ("single_label_classification", {}, (math.nan,) * 2),
        ("multi_label_classification", {"labels": ()}, (0.0, 0.0)),
        ("multi_label_classification", {"labels": ("bad", "good")}, (1.0, 1.0)),
        ("multi_label_classification", {}, (math.nan,) * 2),
        ("regression", {"value": -1.5}, (-1.5,)),
        ("regression", {}, (math.nan,)),
    ],
)
def test_target_has_a_number_for_each_output_and_nan_where_nobody_has_said(problem, fields, target):
    labels = () if problem == "regression" else ("bad", "good")
    ((row,), _) = rows(text("one", **fields), of=task(problem, labels=labels))
    assert row.target == pytest.approx(target, nan_ok=True)


@pytest.mark.parametrize("unread", ["zebra", "zebra lion one", "\u200b"])
def test_text_without_known_words_stops_the_run_or_is_left_out(unread):
    examples = text("one", labels=("bad",)), text(unread, labels=("bad",))
    with pytest.raises(InputError, match=r"a\.tsv:2: it holds no word, or most are not in the voc"):
        rows(*examples)
    made, found = rows(*examples, allowed=True)
    assert (len(made), len(found)) == (1, 1)


def test_either_text_of_a_pair_must_hold_known_words():
    for first, second in (("zebra", "one"), ("one", "zebra")):
        made, found = rows(text(first, second), of=task(pair=True), allowed=True)
        assert (made, len(found)) == ([], 1)
