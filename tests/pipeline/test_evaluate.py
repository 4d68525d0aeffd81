"""Scores of a small student, of whose questions some cannot be asked or have no answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters.values.errors import InputError
from pipeline import ask as asking
from pipeline.evaluate import Evaluation, evaluate
from pipeline.student.load import Student
from pipeline.tasks.question_answering.squad import Question
from tests.conftest import BuiltBundle
from tests.runs import quiet_run

CONTEXT = "The tower was lit in 1871, and the road to the harbour was closed."
ASKED = ("When was the tower lit?", "What was closed?", "Who came?", "How tall is it?")

Evaluate = Callable[..., Evaluation]


def squad(*qas: Any, context: str = CONTEXT) -> dict[str, Any]:
    return {"data": [{"paragraphs": [{"context": context, "qas": list(qas)}]}]}


def asked(name: object, question: object, *answers: str, **changed: Any) -> dict[str, Any]:
    labels = [{"text": answer, "answer_start": 0} for answer in answers]
    return {"id": name, "question": question, "answers": labels, **changed}


@pytest.fixture
def run(tmp_path: Path, student_folder: Path) -> Evaluate:
    """Scores a document, or text, on the DistilBERT, or on another target."""

    def run(
        content: object, *, target: Path = student_folder, limit: int | None = None, **named: Any
    ) -> Evaluation:
        path = tmp_path / "data.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        given = {"named_reference": None, "run": quiet_run()} | named
        return evaluate(str(target), data=path, limit=limit, **given)

    return run


@pytest.fixture
def answers(students: dict[str, Student]) -> dict[str, str]:
    """What the random student answers, by question."""
    examples = [Question(id=each, question=each, context=CONTEXT, answers=()) for each in ASKED]
    encoded = students["distilbert"].encode(examples, seq_lens=(384,))
    found = asking.ask_student(students["distilbert"], encoded, run=quiet_run())
    return {name: answer.text for name, answer in zip(ASKED, found.answers, strict=True)}


BAD = {
    "empty": (asked("bad", " ", "x"), "the question is empty"),
    "of another script": (asked("bad", "дорога была закрыта", "x"), "not in the student's vocab"),
    "too long": (asked("bad", "when " * 50_000, "x"), "has 250,000 characters; at most 200,000"),
    "of no token": (asked("bad", "\u200b", "x"), "holds no token that can be read"),
    "null": (asked("bad", None, "x"), "qas[2]: question is null"),
    "half of a character": (asked("bad", "\ud83d", "x"), "half of a surrogate pair"),
    "unlabelled": (asked("bad", "Who came?"), "it has no answers"),
}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD)
def test_question_that_cannot_be_asked_is_named_and_counts_as_wrong(run, answers, bad, reason):
    first, second, *_ = ASKED
    found = run(squad(asked("a", first, answers[first]), asked("b", second, "zebra"), bad))
    assert found.exit_code == 0
    score = found.scores["pytorch"].to_json()
    assert score == pytest.approx({"exact_match": 100 / 3, "f1": 100 / 3, "count": 3})
    (unreadable,) = found.unreadable
    assert unreadable.id == "bad"
    assert reason in unreadable.reason


def test_context_that_cannot_be_read_takes_its_own_questions_alone(run, answers):
    document = squad(asked("a", ASKED[0], answers[ASKED[0]]))
    document["data"] += squad(asked("b", ASKED[0], "x"), asked("c", ASKED[1], "x"), context=" ")[
        "data"
    ]
    found = run(document)
    assert found.scores["pytorch"].count == 3
    assert found.scores["pytorch"].values["f1"] == pytest.approx(100 / 3)
    assert [(each.id, each.reason) for each in found.unreadable] == [
        ("b", "the context is empty"), ("c", "the context is empty"),
    ]  # fmt: skip


def test_limit_counts_what_cannot_be_asked(run):
    document = squad(asked("bad", "", "x"), asked("a", ASKED[0], "x"), asked("b", "", "x"))
    found = run(document, limit=2)
    assert found.scores["pytorch"].count == 2
    assert [each.id for each in found.unreadable] == ["bad"]


def test_data_of_which_nothing_can_be_asked_is_refused(run):
    with pytest.raises(InputError, match="none of the 2 examples can be read; the first, 'a': the"):
        run(squad(asked("a", "", "x"), asked("b", "дорога", "x")))


def test_bundle_names_and_counts_the_same_in_every_runtime(run, built: BuiltBundle):
    document = squad(asked("a", ASKED[0], "zebra"), BAD["empty"][0])
    found = run(document, target=built.folder, names=["pytorch", "litert"])
    assert {name: score.count for name, score in found.scores.items()} == {
        "pytorch": 2, "litert": 2,
    }  # fmt: skip
    assert [each.id for each in found.unreadable] == ["bad"]
    found = run(document, target=built.folder, names=["litert"], limit=1)
    assert (found.scores["litert"].count, found.unreadable) == (1, ())


def test_an_example_a_line_scores_as_the_same_in_squad_layout(run, answers):
    document = squad(asked("a", ASKED[0], answers[ASKED[0]]), asked("b", ASKED[1], "zebra"))
    lines = [
        {"id": name, "title": "t", "context": CONTEXT, "question": question,
         "answers": {"text": [text], "answer_start": [0]}}
        for name, question, text in (("a", ASKED[0], answers[ASKED[0]]), ("b", ASKED[1], "zebra"))
    ]  # fmt: skip
    assert run("\n".join(map(json.dumps, lines))) == run(document)


def prefers_none(student: Student, question: str, context: str) -> bool:
    """Tells by Transformers alone whether [CLS] is ahead of every span of up to 30 tokens."""
    ids = student.tokenizer.encode(question, context).ids
    types = student.tokenizer.encode(question, context).type_ids
    with torch.no_grad():
        output = student.model(torch.tensor([ids]))
    start, end = output.start_logits[0].numpy(), output.end_logits[0].numpy()
    first = types.index(1)
    spans = [
        start[i] + end[j]
        for i in range(first, len(ids) - 1)
        for j in range(i, min(i + 30, len(ids) - 1))
    ]
    return bool(start[0] + end[0] > np.max(spans))


def test_squad_2_scores_no_answer_where_cls_is_ahead(run, answers, students):
    """The student is random; a context of one token leaves it that span, or none."""
    student = students["distilbert"]
    vocabulary = sorted(student.tokenizer.get_vocab())
    words = [word for word in vocabulary if word.isalpha() and len(word) > 3][:10]
    none = {word: prefers_none(student, question=ASKED[0], context=word) for word in words}
    assert 0 < sum(none.values()) < len(words), "the student prefers the same everywhere"
    document = squad(asked("sure", ASKED[0], answers[ASKED[0]], is_impossible=False))
    for word in words:
        document["data"] += squad(
            asked(f"{word}: it", ASKED[0], word, is_impossible=False),
            asked(f"{word}: none", ASKED[0], is_impossible=True),
            context=word,
        )["data"]
    found = run(document)
    num_none = sum(none.values())
    scores = {
        kind: (score.values["exact_match"], score.values["f1"], score.count)
        for kind, score in found.by_kind["pytorch"].items()
    }
    right = pytest.approx(100 * (len(words) - num_none + 1) / (len(words) + 1))
    assert scores == {"has_answer": (right, right, 11), "no_answer": (10 * num_none,) * 2 + (10,)}
    assert found.scores["pytorch"].values["exact_match"] == pytest.approx(100 * 11 / 21)
    assert found.scores["pytorch"].count == 21


def test_squad_1_has_no_scores_by_kind_and_always_an_answer(run, answers):
    found = run(squad(*(asked(each, each, answers[each]) for each in ASKED)))
    assert found.by_kind == {}
    assert found.scores["pytorch"].values["exact_match"] == 100.0


def test_reference_beside_a_model_is_refused(run, student_folder):
    document = squad(asked("a", ASKED[0], "x"))
    with pytest.raises(InputError, match="is a model, and --reference names the student of a bund"):
        run(document, named_reference=str(student_folder))


def test_reference_that_would_not_be_asked_is_refused(run, built: BuiltBundle, student_folder):
    document = squad(asked("a", ASKED[0], "x"))
    with pytest.raises(InputError, match="names the PyTorch student, and only litert is to run"):
        run(document, target=built.folder, names=["litert"], named_reference=str(student_folder))
