import json
from pathlib import Path

import pytest

from converters.values.errors import InputError
from pipeline.distillation.settings import Data
from pipeline.distillation.text_classification.data import hold_out, text_head
from pipeline.tasks.text_classification.labelled import LabelledText


def data_of(tmp_path: Path, lines: list[dict], **fields) -> Data:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    given = {"evaluation": None, "num_held_out": 0, "skip_bad": False} | fields
    return Data(paths=(path,), **given)


# The head that data asks for


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["positive", "negative", "positive"], ["negative", "positive"]),
        (["10", "2", "1"], ["1", "2", "10"]),
        (["10", "2", "x"], ["10", "2", "x"]),
    ],
)
def test_head_has_the_labels_of_the_data_in_their_order(tmp_path, names, ordered):
    lines = [{"text": "a", "label": name} for name in names]
    assert text_head(data_of(tmp_path, lines), None) == {
        "problem_type": "single_label_classification",
        "text_pair": False,
        "id2label": dict(enumerate(ordered)),
        "label2id": {name: place for place, name in enumerate(ordered)},
    }


def test_head_of_several_labels_has_those_of_all_files(tmp_path):
    judge = tmp_path / "judge.jsonl"
    judge.write_text('{"text": "a", "label": ["joy", "awe"]}\n')
    lines = [{"text": "a", "label": ["fear", "joy"]}, {"text": "b", "label": []}]
    head = text_head(data_of(tmp_path, lines, evaluation=judge), "multi_label_classification")
    assert list(head["label2id"]) == ["awe", "fear", "joy"]


def test_head_of_numbers_has_one_output_and_that_of_pairs_says_so(tmp_path):
    lines = [{"text": "a", "text_pair": "b", "label": 0.5}, {"text": "a", "text_pair": "c",
                                                             "label": 2}]  # fmt: skip
    assert text_head(data_of(tmp_path, lines), "regression") == {
        "problem_type": "regression", "text_pair": True, "num_labels": 1,
    }  # fmt: skip


def test_head_of_one_label_is_refused(tmp_path):
    lines = [{"text": "a", "label": "good"}] * 3
    with pytest.raises(InputError, match="the data names 1 labels: good"):
        text_head(data_of(tmp_path, lines), None)


def test_head_of_pairs_and_single_texts_is_refused(tmp_path):
    lines = [{"text": "a", "text_pair": "b", "label": "x"}, {"text": "a", "label": "y"}]
    with pytest.raises(InputError, match=r"data.jsonl:1 is a pair of texts, and data.jsonl:2 is o"):
        text_head(data_of(tmp_path, lines), None)


def test_head_of_a_bad_row_names_file_and_line_unless_it_may_be_left_out(tmp_path):
    lines = [{"text": "a", "label": "x"}, {"text": " ", "label": "z"}, {"text": "a", "label": "y"}]
    with pytest.raises(InputError, match=r"data\.jsonl:2: its text is empty") as caught:
        text_head(data_of(tmp_path, lines), None)
    assert "--skip-bad" in caught.value.hint
    assert list(text_head(data_of(tmp_path, lines, skip_bad=True), None)["label2id"]) == ["x", "y"]


# What is kept apart


def texts(count, *, of=1000):
    return [LabelledText(id=str(number), text=f"text {number % of}") for number in range(count)]


def test_hold_out_parts_the_examples_and_keeps_their_order():
    examples = texts(50)
    kept, apart = hold_out(examples, num_texts=20)
    assert (len(kept), len(apart)) == (30, 20)
    assert sorted([*kept, *apart], key=examples.index) == examples
    for part in (kept, apart):
        assert part == sorted(part, key=examples.index)
    assert apart != examples[:20]


def test_hold_out_keeps_a_text_on_one_side():
    kept, apart = hold_out(texts(60, of=12), num_texts=18)
    assert {each.text for each in kept}.isdisjoint(each.text for each in apart)
    assert len(apart) == 20, "whole texts of five examples each"


@pytest.mark.parametrize(("num_texts", "sizes"), [(0, (9, 0)), (9, (0, 9)), (99, (0, 9))])
def test_hold_out_of_none_or_all(num_texts, sizes):
    kept, apart = hold_out(texts(9), num_texts=num_texts)
    assert (len(kept), len(apart)) == sizes
