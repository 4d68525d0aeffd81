import pytest

from pipeline.tasks.question_answering.spans import Answer
from pipeline.tasks.question_answering.task_library import SpanLibrary
from pipeline.tasks.task import Encoded


@pytest.mark.parametrize(
    ("part", "whole"),
    [("1987", "(1987)."), ("one", "one"), ("in", "in"), ("wer", "tower\nlit")],
)
def test_expected_widens_an_answer_to_its_spaces(part, whole):
    context = "one tower\nlit in (1987)."
    start = context.index(part)
    answer = Answer(text=part, start=start, end=start + len(part), score=1.0)
    encoded = Encoded(texts={"question": "?", "context": context}, rows=())
    assert SpanLibrary().expected(encoded, answer) == whole


def test_same_goes_by_squads_normalization():
    assert SpanLibrary().same("The Tower!", "tower")
    assert not SpanLibrary().same("tower", "towers")
