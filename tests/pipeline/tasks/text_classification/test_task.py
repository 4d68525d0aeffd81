"""What the task makes of configurations, texts and outputs."""

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy import special
from sklearn import metrics
from transformers import BertConfig

from converters.values.errors import InputError
from pipeline.on_device.text_classification.rules import ClassificationRules
from pipeline.student.config import read_config
from pipeline.tasks import task_of_model
from pipeline.tasks.task import Encoded, TaskOptions, Unreadable
from pipeline.tasks.text_classification import RULES, TextClassification
from pipeline.tasks.text_classification.answers import Labels
from pipeline.tasks.text_classification.labelled import LabelledText
from tests.students import read_tokenizer

NAMES = ("input_ids", "attention_mask", "token_type_ids")
NOTHING = Encoded(texts={}, rows=())


def task(labels: tuple[str, ...] = ("bad", "good"), **stated: object) -> TextClassification:
    rules = ClassificationRules.model_validate({**RULES.model_dump(), **stated})
    return TextClassification(rules=rules, labels=labels)


ONE = task()
SEVERAL = task(("joy", "fear", "envy"), problem_type="multi_label_classification")
NUMBER = task((), problem_type="regression")


def answer(of: TextClassification, *logits: float) -> Labels:
    return of.decode(NOTHING, [{"logits": np.array([logits], np.float32)}])


def config(num_labels: int = 2, **stated: object) -> BertConfig:
    return BertConfig(num_labels=num_labels, **stated)


# Configurations


@pytest.mark.parametrize(
    ("num_labels", "stated", "problem"),
    [
        (2, None, "single_label_classification"), (1, None, "regression"),
        (2, "multi_label_classification", "multi_label_classification"),
        (1, "multi_label_classification", "multi_label_classification"),
        (1, "regression", "regression"),
    ],
)  # fmt: skip
def test_problem_is_the_configurations_or_what_transformers_takes(num_labels, stated, problem):
    made = task_of_model("BertForSequenceClassification", config(num_labels, problem_type=stated))
    assert made.rules.problem_type == problem
    assert made.outputs[0].width == num_labels
    names = () if problem == "regression" else tuple(f"LABEL_{n}" for n in range(num_labels))
    assert made.labels == names


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"num_labels": 3, "problem_type": "regression"}, "is regression, and its head has 3"),
        ({"id2label": {0: "a", 2: "b"}}, "id2label are 0, 2, where 0 to 1 are needed"),
        ({"id2label": {}, "num_labels": 0}, "the model has no labels: its id2label is empty"),
        ({"id2label": {1: "a", 2: "b"}}, "id2label are 1, 2, where 0 to 1 are needed"),
        ({"id2label": {0: "a", 1: "a"}}, "labels 0 and 1 have one name: 'a'"),
        ({"id2label": {0: "a", 1: " "}}, "label 1 has no name"),
        ({"id2label": {0: "a", 1: "b" * 1001}}, "label 1 has 1,001 characters"),
        ({"text_pair": "yes"}, "text_pair is 'yes', where true or false is read"),
    ],
)
def test_configuration_that_disagrees_with_itself_is_refused(stated, said):
    with pytest.raises(InputError, match=said):
        TextClassification.of_config(config(**stated))


def test_one_label_of_which_one_is_right_is_refused_where_the_file_is_read(tmp_path):
    stated = {"model_type": "bert", "architectures": ["BertForSequenceClassification"],
              "num_labels": 1, "problem_type": "single_label_classification"}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(stated))
    with pytest.raises(InputError, match="requires `num_labels > 1`"):
        read_config(tmp_path)


def test_problem_that_is_not_known_is_refused():
    unknown = config()
    object.__setattr__(unknown, "problem_type", "ranking")
    with pytest.raises(InputError, match="problem_type is 'ranking'"):
        TextClassification.of_config(unknown)


def test_pair_is_the_configurations_and_options_may_say_otherwise():
    assert not TextClassification.of_config(config()).rules.pair
    pairs = TextClassification.of_config(config(text_pair=True))
    assert pairs.rules.pair
    assert not pairs.with_options(TaskOptions(pair=False)).rules.pair
    assert ONE.with_options(TaskOptions(long_text="windows")).rules.long_text == "windows"
    with pytest.raises(InputError, match="--long-text cut is not known"):
        ONE.with_options(TaskOptions(long_text="cut"))


# Texts


def encode(of: TextClassification, *texts: str, seq_lens: tuple[int, ...] = (16, 32)) -> Encoded:
    example = LabelledText(id="a", text=texts[0], text_pair=texts[1] if texts[1:] else None)
    return of.encode(example, tokenizer=read_tokenizer(), input_names=NAMES, seq_lens=seq_lens)


@pytest.mark.parametrize(
    "sizes", [(1, 1), (3, 60), (60, 3), (40, 41), (41, 40), (14, 15), (15, 14)]
)
def test_rows_of_pairs_are_those_of_the_tokenizers_library(sizes):
    first, second = ("a " * sizes[0], "the " * sizes[1])
    encoded = encode(task(pair=True), first, second, seq_lens=(32,))
    tokenizer = read_tokenizer()
    tokenizer.enable_truncation(32, strategy="longest_first")
    expected = tokenizer.encode(first, second)
    (row,) = encoded.rows
    assert row.inputs["input_ids"][0, : row.num_tokens].tolist() == expected.ids
    assert row.inputs["token_type_ids"][0, : row.num_tokens].tolist() == expected.type_ids
    assert encoded.is_cut == (sum(sizes) > 29)


def test_text_that_is_longer_than_a_row_is_cut_and_said():
    encoded = encode(ONE, "a " * 31)
    assert encoded.rows[0].num_tokens == 32
    assert encoded.remarks == ("the text has 31 tokens, of which only the first 30 are read",)
    assert not encode(ONE, "a " * 30).is_cut
    assert encode(ONE, "a " * 14).rows[0].seq_len == 16


def test_windows_cover_all_of_a_text_and_cut_nothing():
    windows = task(long_text="windows", window_overlap_tokens=10)
    encoded = encode(windows, "a the " * 40)
    assert not encoded.is_cut
    covered = [span for row in encoded.rows for span in row.offsets]
    assert sorted(set(covered)) == [(n, n + len(w)) for n, w in _words("a the " * 40)]
    assert [row.num_tokens for row in encoded.rows] == [32, 32, 32, 32]


def _words(text: str) -> list[tuple[int, str]]:
    place, found = 0, []
    for word in text.split():
        place = text.index(word, place)
        found.append((place, word))
        place += len(word)
    return found


def test_windows_of_a_pair_keep_the_beginning_of_the_first_text():
    windows = task(long_text="windows", pair=True, max_first_tokens=5, window_overlap_tokens=4)
    encoded = encode(windows, "a " * 9, "the " * 50)
    assert {row.first for row in encoded.rows} == {7}
    assert encoded.remarks == ("the text has 9 tokens, of which only the first 5 are read",)
    assert len(encoded.rows) == 3


@pytest.mark.parametrize(
    ("of", "texts", "said"),
    [
        (ONE, ("",), "the text is empty"),
        (ONE, ("a", "b"), "takes one text, and a second"),
        (task(pair=True), ("a",), "takes two texts"),
        (task(pair=True), ("a", " "), "the second text is empty"),
        (ONE, ("𓀀 𓀀",), "2 of the 2 tokens of the text are not in"),
        (ONE, ("\u200b",), "the text holds no token"),
    ],
)
def test_text_that_cannot_be_read_is_refused(of, texts, said):
    with pytest.raises(InputError, match=said):
        encode(of, *texts)


# Answers


def test_scores_are_softmax_or_sigmoid_of_the_mean_logits():
    found = ONE.decode(NOTHING, [{"logits": np.array([row])} for row in ([1.0, 3.0], [0.0, 5.0])])
    assert found.scores == pytest.approx(special.softmax([0.5, 4.0]))
    assert found.places == (1,)
    found = answer(SEVERAL, -1.0, 0.0, 800.0)
    assert found.scores == pytest.approx(special.expit([-1.0, 0.0, 800.0]))
    assert found.places == (1, 2)
    assert answer(NUMBER, 3.5).scores == (3.5,)
    assert answer(ONE, 2.0, 2.0).places == (0,)


@pytest.mark.parametrize("logits", [(math.nan, 0.0), (0.0, math.inf)])
def test_logit_that_is_no_finite_number_is_never_the_same_answer(logits):
    broken = answer(ONE, *logits)
    assert not ONE.same(broken, broken)
    assert ONE.stated(NOTHING, broken) == {"label": None, "scores": None}
    assert math.isnan(ONE.drift([broken], [broken], [])["mean_probability_move"])
    assert ONE.worth(broken, LabelledText(id="a", text="a", labels=("bad",))) == {"accuracy": 0.0}
    outputs = [{"logits": np.array([[0.0, 1.0]])}]
    whole = answer(ONE, 0.0, 1.0)
    assert ONE.margin(NOTHING, outputs, preferred=whole, other=broken) == math.inf
    assert ONE.said(broken) == "no answer"
    several = answer(SEVERAL, math.nan, 0.0, 0.0)
    assert SEVERAL.stated(NOTHING, several) == {"labels": None, "scores": None}
    assert NUMBER.stated(NOTHING, answer(NUMBER, math.nan)) == {"score": None}


def test_margin_is_the_distance_of_two_labels():
    outputs = [{"logits": np.array([[1.0, 3.0]])}]
    bad, good = answer(ONE, 1.0, 0.0), answer(ONE, 0.0, 1.0)
    assert ONE.margin(NOTHING, outputs, preferred=good, other=bad) == 2.0


def test_margin_of_several_labels_is_the_farthest_of_those_that_differ():
    outputs = [{"logits": np.array([[0.1, 4.0, -0.2]])}]
    student, other = answer(SEVERAL, 0.1, 4.0, -0.2), answer(SEVERAL, -1.0, 4.0, 1.0)
    assert SEVERAL.margin(NOTHING, outputs, preferred=student, other=other) == pytest.approx(0.2)
    gross = answer(SEVERAL, -1.0, -4.0, -0.2)
    assert SEVERAL.margin(NOTHING, outputs, preferred=student, other=gross) == pytest.approx(4.0)


def test_numbers_are_the_same_within_the_tolerance():
    assert NUMBER.same(answer(NUMBER, 100.0), answer(NUMBER, 100.9))
    assert not NUMBER.same(answer(NUMBER, 1.0), answer(NUMBER, 1.05))
    outputs = [{"logits": np.array([[1.0]])}]
    one, other = answer(NUMBER, 1.0), answer(NUMBER, 1.05)
    assert NUMBER.margin(NOTHING, outputs, preferred=one, other=other) == pytest.approx(0.05)


def test_json_has_the_labels_by_falling_score_and_ties_by_place():
    shown = SEVERAL.to_json(answer(SEVERAL, 0.0, 2.0, 0.0))["labels"]
    assert [each["label"] for each in shown] == ["fear", "joy", "envy"]
    assert NUMBER.to_json(answer(NUMBER, 1.5)) == {"score": 1.5}


# Scores


def examples(*labels: tuple[str, ...] | None) -> list[LabelledText]:
    return [LabelledText(id=str(n), text="a", labels=each) for n, each in enumerate(labels)]


def test_scores_of_one_label_are_scikit_learns():
    chance = np.random.default_rng(0)
    of = task(("a", "b", "c"))
    actual, given = chance.integers(0, 3, (2, 50))
    gold = examples(*((of.labels[place],) for place in actual))
    answers = {str(n): answer(of, *np.eye(3)[place]) for n, place in enumerate(given)}
    found = of.scores(answers, gold)
    assert found == {
        "accuracy": pytest.approx(100 * metrics.accuracy_score(actual, given)),
        "macro_f1": pytest.approx(100 * metrics.f1_score(actual, given, average="macro")),
    }
    assert [each.name for each in of.SCORES] == list(found)
    binary = [LabelledText(id=str(n), text="a", labels=(ONE.labels[place % 2],))
              for n, place in enumerate(actual)]  # fmt: skip
    answers = {str(n): answer(ONE, *np.eye(2)[place % 2]) for n, place in enumerate(given)}
    assert ONE.scores(answers, binary)["matthews_correlation"] == pytest.approx(
        100 * metrics.matthews_corrcoef(actual % 2, given % 2)
    )


def test_unreadable_and_unanswered_examples_count_as_wrong():
    gold = [*examples(("good",), ("bad",)), Unreadable(id="x", reason="")]
    found = ONE.scores({"0": answer(ONE, 0.0, 1.0)}, gold)
    assert found["accuracy"] == pytest.approx(100 / 3)
    assert found["macro_f1"] == pytest.approx(50.0)  # good has 1, bad 0
    several = [*examples(("joy",), ()), Unreadable(id="x", reason="")]
    answers = {"0": answer(SEVERAL, 1.0, -1.0, -1.0), "1": answer(SEVERAL, -1.0, -1.0, -1.0)}
    assert SEVERAL.scores(answers, several)["exact_match"] == pytest.approx(200 / 3)
    assert SEVERAL.scores({}, several)["exact_match"] == 0.0


def test_one_class_only_is_scored_without_a_warning(recwarn):
    gold = examples(("good",), ("good",))
    found = ONE.scores({"0": answer(ONE, 0.0, 1.0), "1": answer(ONE, 0.0, 1.0)}, gold)
    assert found == {"accuracy": 100.0, "macro_f1": 100.0, "matthews_correlation": 0.0}
    assert not recwarn.list


def test_scores_of_several_labels_with_none_set():
    gold = examples((), ("joy", "envy"), ("fear",))
    answers = {
        "0": answer(SEVERAL, -1.0, -1.0, -1.0),
        "1": answer(SEVERAL, 1.0, -1.0, -1.0),
        "2": answer(SEVERAL, -1.0, 1.0, -1.0),
    }
    found = SEVERAL.scores(answers, gold)
    assert found["exact_match"] == pytest.approx(200 / 3)
    assert found["micro_f1"] == pytest.approx(80.0)
    assert found["macro_f1"] == pytest.approx(200 / 3)


def test_correlations_are_scipys_and_not_numbers_where_nothing_varies(recwarn):
    gold = [LabelledText(id=str(n), text="a", value=float(n)) for n in range(4)]
    answers = {str(n): answer(NUMBER, value) for n, value in enumerate((0.0, 1.0, 4.0, 9.0))}
    found = NUMBER.scores(answers, gold)
    assert found["spearman"] == pytest.approx(100.0)
    assert found["pearson"] == pytest.approx(95.83, abs=0.01)
    same = dict.fromkeys(answers, answer(NUMBER, 1.0))
    assert all(map(math.isnan, NUMBER.scores(same, gold).values()))
    assert all(map(math.isnan, NUMBER.scores({}, gold).values()))
    assert not recwarn.list


def test_no_examples_are_no_score():
    with pytest.raises(InputError, match="no examples"):
        ONE.scores({}, [])


# Drift


def test_drift_tells_moves_of_probabilities_and_calibration_before_and_after():
    gold = examples(("good",), ("good",), ("bad",), ("bad",))
    sure = [answer(ONE, 0.0, 100.0) for _ in gold]
    unsure = [answer(ONE, 0.0, 1e-6) for _ in gold]
    found = ONE.drift(unsure, sure, gold)
    assert found["mean_probability_move"] == pytest.approx(0.5, abs=1e-3)
    assert found["max_probability_move"] == pytest.approx(0.5, abs=1e-3)
    assert found["calibration_error_before"] == pytest.approx(0.0, abs=1e-3)
    assert found["calibration_error"] == pytest.approx(0.5)
    assert [each.name for each in ONE.DRIFT] == list(found)
    unlabelled = [dataclasses.replace(each, labels=None) for each in gold]
    assert "calibration_error" not in ONE.drift(unsure, sure, unlabelled)
    assert NUMBER.DRIFT == () and NUMBER.drift([], [], []) == {}


def test_own_texts_are_labelled_for_sentiment_alone():
    texts = task(("negative", "positive")).own_examples()
    assert len(texts) > 90 and all(each.is_labelled for each in texts)
    assert {each.labels for each in texts} == {("negative",), ("positive",)}
    for other in (
        task(("spam", "ham")),
        NUMBER,
        SEVERAL,
        task(("negative", "positive"), pair=True),
    ):
        assert not any(each.is_labelled for each in other.own_examples())
    assert all(each.text_pair for each in task(pair=True).own_examples())
