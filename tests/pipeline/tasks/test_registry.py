"""A checkpoint's task is found by its architecture, and a bundle's by the name in its manifest."""

import pytest
from transformers import BertConfig

from converters.values.errors import InputError
from pipeline.bundle.manifest import ManifestDamagedError
from pipeline.tasks import task_of_bundle, task_of_model
from pipeline.tasks.question_answering import QuestionAnswering
from tests.bundles import MANIFEST

CONFIG = BertConfig(num_labels=2)


@pytest.mark.parametrize(
    "architecture", ["", "DistilBertForMaskedLM", "BertForSequenceLabelling", "question-answering"]
)
def test_task_of_an_unsupported_architecture_lists_the_supported(architecture):
    with pytest.raises(InputError, match=f"is a {architecture}, a task that is not") as caught:
        task_of_model(architecture, CONFIG)
    assert "…ForQuestionAnswering" in caught.value.hint


def test_task_of_question_answering():
    assert task_of_model("ElectraForQuestionAnswering", CONFIG) == QuestionAnswering()


def test_task_of_a_bundle_goes_by_the_rules_of_its_manifest():
    assert task_of_bundle(MANIFEST) == QuestionAnswering()
    rules = {**MANIFEST.task.rules, "max_answer_tokens": 5}
    part = MANIFEST.task.model_copy(update={"rules": rules})
    task = task_of_bundle(MANIFEST.model_copy(update={"task": part}))
    assert task.rules.model_dump() == rules


def test_task_of_a_bundle_with_a_rule_out_of_its_bounds_is_refused():
    rules = {**MANIFEST.task.rules, "max_answer_tokens": 0}
    part = MANIFEST.task.model_copy(update={"rules": rules})
    with pytest.raises(ManifestDamagedError, match=r"task\.rules\.max_answer_tokens"):
        task_of_bundle(MANIFEST.model_copy(update={"task": part}))


def test_task_of_a_bundle_that_is_not_known_says_to_update():
    part = MANIFEST.task.model_copy(update={"name": "of-tomorrow"})
    with pytest.raises(InputError, match="task is of-tomorrow, which this version") as caught:
        task_of_bundle(MANIFEST.model_copy(update={"task": part}))
    assert "pip install -U pocketbert" in caught.value.hint
