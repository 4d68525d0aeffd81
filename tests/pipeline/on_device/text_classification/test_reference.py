import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from converters.values.errors import InputError
from pipeline.bundle.manifest import ManifestDamagedError
from pipeline.bundle.manifest_parts import TaskPart, TokenizerPart
from pipeline.on_device.text_classification import TextClassification, check_labels
from pipeline.on_device.text_classification.answers import answer_of, sigmoid, softmax
from pipeline.on_device.text_classification.fitting import longest_first
from pipeline.on_device.text_classification.rules import ClassificationRules
from pipeline.on_device.wordpiece import WordPiece, open_tokenizer
from pipeline.tasks import task_of_bundle
from pipeline.tasks.text_classification import RULES
from tests.bundles import MANIFEST
from tests.students import read_tokenizer


def rules(**stated: object) -> ClassificationRules:
    return ClassificationRules.model_validate({**RULES.model_dump(), **stated})


def test_reference_equals_the_task_on_every_vector(vectors):
    folder = vectors / "uncased"
    settings = json.loads((folder / "settings.json").read_bytes())
    part = TokenizerPart.model_validate(settings["tokenizer"])
    tokenizer = open_tokenizer(folder, part)
    cases = json.loads((folder / "labels.json").read_bytes())["labels"]
    assert max(len(each["rows"]) for each in cases) > 5
    assert any(each["is_cut"] for each in cases)
    for each in cases:
        stated = TaskPart.model_validate(each["task"])
        reference = TextClassification(
            ClassificationRules.model_validate(stated.rules), stated.labels
        )
        rows = reference.rows(
            each["texts"], tokenizer=tokenizer, settings=part, seq_lens=each["seq_lens"]
        )
        outputs = [{"logits": row.pop("logits")} for row in each["rows"]]
        assert json.loads(json.dumps([vars(row) for row in rows])) == each["rows"]
        answer = reference.answer(each["texts"], rows, outputs)
        assert answer.keys() == each["answer"].keys()
        for name, value in answer.items():
            if name in reference.APPROXIMATE:
                assert value == pytest.approx(each["answer"][name], rel=1e-9, abs=1e-12)
            else:
                assert json.loads(json.dumps(value)) == each["answer"][name]


@given(sizes=st.tuples(st.integers(1, 60), st.integers(1, 60)), longest=st.integers(5, 70))
def test_longest_first_is_that_of_the_library(sizes, longest):
    kept = longest_first(sizes, room=longest - 3)
    tokenizer: Tokenizer = read_tokenizer()
    tokenizer.enable_truncation(longest, strategy="longest_first")
    encoding = tokenizer.encode(*(" ".join(["a"] * size) for size in sizes))
    assert kept == [encoding.sequence_ids.count(place) for place in (0, 1)]


@pytest.mark.parametrize(
    "logits", [[[math.nan, 1.0]], [[0.0, math.inf]], [[0.0, 1.0], [-math.inf, 0.0]]]
)
def test_logit_that_is_no_finite_number_gives_no_answer(logits):
    one, several = rules(), rules(problem_type="multi_label_classification")
    assert answer_of(logits, labels="ab", rules=one) == {"label": None, "scores": None}
    assert answer_of(logits, labels="ab", rules=several) == {"labels": None, "scores": None}
    number = rules(problem_type="regression")
    assert answer_of([[math.nan]], labels=(), rules=number) == {"score": None}


def test_of_labels_that_tie_the_first_wins_and_a_score_at_the_threshold_sets_its_label():
    assert answer_of([[1.0, 2.0, 2.0]], labels="abc", rules=rules())["label"] == "b"
    several = rules(problem_type="multi_label_classification")
    assert answer_of([[0.0, -0.1, 5.0]], labels="abc", rules=several)["labels"] == ("a", "c")
    assert answer_of([[-9.0, -9.0]], labels="ab", rules=several)["labels"] == ()


def test_scores_of_large_logits_do_not_overflow():
    assert softmax([800.0, -800.0, 800.0]) == (0.5, 0.0, 0.5)
    assert (sigmoid(800.0), sigmoid(-800.0), sigmoid(0.0)) == (1.0, 0.0, 0.5)


def test_logits_of_windows_are_averaged_before_the_scores():
    found = answer_of([[4.0, 0.0], [-1.0, 1.0]], labels="ab", rules=rules())
    assert found["scores"] == pytest.approx(softmax([1.5, 0.5]))
    number = answer_of([[1.0], [2.0]], labels=(), rules=rules(problem_type="regression"))
    assert number == {"score": 1.5}


@pytest.fixture(scope="module")
def opened(vectors) -> tuple[WordPiece, TokenizerPart]:
    settings = json.loads((vectors / "uncased" / "settings.json").read_bytes())
    part = TokenizerPart.model_validate(settings["tokenizer"])
    return open_tokenizer(vectors / "uncased", part), part


@pytest.mark.parametrize(
    ("pair", "texts", "said"),
    [
        (False, {"text": "a", "text_pair": "b"}, "takes one text, and a second, text_pair"),
        (True, {"text": "a"}, "takes two texts, text and text_pair, and only text was given"),
        (False, {"text": " \n"}, "the text holds no token"),
        (True, {"text": "a", "text_pair": ""}, "the text_pair holds no token"),
        (False, {"text": "𓀀 𓀀 𓀀"}, "most of the text is not in the student's vocabulary"),
        (False, {"text": "a" * 200_001}, "has 200001 characters; at most 200000 are read"),
    ],
)
def test_texts_that_cannot_be_read_are_refused(opened, pair, texts, said):
    tokenizer, part = opened
    reference = TextClassification(rules(pair=pair), ("bad", "good"))
    with pytest.raises(InputError, match=said):
        reference.rows(texts, tokenizer=tokenizer, settings=part, seq_lens=(16,))


@pytest.mark.parametrize(
    ("problem", "labels"),
    [
        ("single_label_classification", ("one",)),
        ("multi_label_classification", ()),
        ("regression", ("one",)),
        ("single_label_classification", ("one", "one")),
        ("single_label_classification", ("one", "")),
    ],
)
def test_labels_that_do_not_go_with_the_problem_are_refused(problem, labels):
    with pytest.raises(ManifestDamagedError, match=r"task\.labels"):
        check_labels(labels, rules=rules(problem_type=problem))
    part = TaskPart(
        name="text-classification",
        rules=rules(problem_type=problem).model_dump(),
        labels=labels,
    )
    with pytest.raises(ManifestDamagedError, match=r"task\.labels"):
        task_of_bundle(MANIFEST.model_copy(update={"task": part}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("problem_type", "two_labels"), ("pair", 1), ("long_text", "cut"), ("threshold", 1.5),
        ("window_overlap_tokens", -1), ("max_first_tokens", 0), ("max_text_characters", 0),
        ("max_unknown_share", -0.5), ("another", 1),
    ],
)  # fmt: skip
def test_rule_out_of_its_bounds_is_named(name, value):
    stated = {**RULES.model_dump(), name: value}
    part = TaskPart(name="text-classification", rules=stated, labels=("a", "b"))
    with pytest.raises(ManifestDamagedError, match=rf"task\.rules\.{name}"):
        task_of_bundle(MANIFEST.model_copy(update={"task": part}))
