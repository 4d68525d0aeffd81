"""What Google's classifier is asked for: which heads it can take, and what its replies tell."""

import numpy as np
import pytest
from scipy import special

from converters.values.errors import InputError
from converters.values.task_library import LibraryModel, LibraryOutput
from pipeline.tasks.task import TaskOptions
from pipeline.tasks.text_classification import RULES, TextClassification
from pipeline.tasks.text_classification.labelled import LabelledText
from pipeline.tokenizer.tokenization import tokenizer_part
from tests.classifiers import LABELS
from tests.students import read_tokenizer

TASK = TextClassification(labels=LABELS)
OWN = {"logits": np.array([[1.0, -2.0, 4.0]], np.float32)}


def check(task: TextClassification) -> None:
    task.task_library.check(
        tokenizer=tokenizer_part(read_tokenizer()), input_names=("input_ids",), seq_lens=(64,)
    )


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"problem_type": "regression"}, "gives labels, and this model a number"),
        (
            {"problem_type": "multi_label_classification"},
            "gives one label of all, and this model sets several",
        ),
        ({"pair": True}, "reads one text, and this model two"),
        ({"long_text": "windows"}, "cuts a long text, and this model is to read it in windows"),
    ],
)
def test_heads_that_the_library_has_nothing_for_are_refused_with_why(
    stated: dict[str, object], reason: str
) -> None:
    check(TASK)
    other = TextClassification(rules=RULES.model_copy(update=stated), labels=LABELS)
    with pytest.raises(InputError) as caught:
        check(other)
    assert caught.value.message == f"the Task Library {reason}"
    assert caught.value.hint == "leave out --task-library"


def test_windows_that_a_user_asked_for_are_refused() -> None:
    with pytest.raises(InputError, match="read it in windows"):
        check(TASK.with_options(TaskOptions(long_text="windows")))


def test_label_of_two_lines_is_refused() -> None:
    with pytest.raises(InputError, match=r"reads a label a line, and 'so\\nso' has two"):
        check(TextClassification(labels=("good", "so\nso")))


def test_model_is_of_the_greatest_length_with_the_labels_at_the_probability() -> None:
    assert TASK.task_library.model((32, 64)) == LibraryModel(
        seq_len=64,
        outputs=(
            LibraryOutput(name="probability", source="logits", is_probability=True, labels=LABELS),
        ),
    )


def test_text_is_asked_as_it_is() -> None:
    assert TASK.task_library.texts(LabelledText(id="1", text="a b")) == ("a b",)


def test_outputs_are_the_logits_whose_softmax_the_reply_is() -> None:
    given = np.array([0.5, -1.5, 3.0])
    reply = dict(zip(LABELS, special.softmax(given).tolist(), strict=True))
    logits = TASK.task_library.outputs(reply, OWN)["logits"]
    assert logits.shape == (1, 3)
    np.testing.assert_allclose(logits[0], given - given.mean() + 1.0, atol=1e-12)


def test_outputs_go_by_the_names_of_labels_and_not_by_their_order() -> None:
    reply = {"positive": 0.7, "negative": 0.1, "so-so": 0.2}
    logits = TASK.task_library.outputs(reply, OWN)["logits"]
    assert np.argsort(logits[0]).tolist() == [0, 1, 2]


def test_outputs_of_a_reply_without_a_label_are_no_numbers() -> None:
    logits = TASK.task_library.outputs({"0": 0.5, "1": 0.3, "2": 0.2}, OWN)["logits"]
    assert np.isnan(logits).all()


def test_outputs_of_a_probability_that_is_lost_to_rounding_are_finite() -> None:
    logits = TASK.task_library.outputs({"negative": 0.0, "so-so": 0.0, "positive": 1.0}, OWN)
    assert np.isfinite(logits["logits"]).all()
