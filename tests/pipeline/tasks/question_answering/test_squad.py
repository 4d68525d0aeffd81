import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.values.errors import InputError, StorageError
from pipeline.tasks.question_answering import squad
from pipeline.tasks.question_answering.squad import (
    Question,
    Unreadable,
    exact_match,
    f1,
    labelled_questions,
    normalize_answer,
    read_squad,
    read_texts,
    score,
)

PACKAGE_FILE = Path(squad.__file__).with_name("questions.json")


def squad_document() -> dict[str, Any]:
    qas = [
        {
            "id": "who",
            "question": "Who came?",
            "answers": [{"text": "Ada", "answer_start": 0}, {"text": "Ada", "answer_start": 0}],
        },
        {
            "id": "when",
            "question": "When?",
            "answers": [{"text": "at noon", "answer_start": 9}],
            "is_impossible": False,
        },
    ]
    paragraphs = [{"context": "Ada came at noon.", "qas": qas}]
    return {"version": "1.1", "data": [{"title": "visit", "paragraphs": paragraphs}]}


def written(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def a_question(*, id: str = "q", answers: tuple[str, ...] = ("Ada",)) -> Question:
    return Question(id=id, question="Who?", context="Ada came.", answers=answers)


# Reading


def test_read_squad_returns_the_questions_in_order_and_passes_over_extra_keys(tmp_path):
    assert read_squad(written(tmp_path, squad_document())) == (
        Question(
            id="who", question="Who came?", context="Ada came at noon.", answers=("Ada", "Ada")
        ),
        Question(id="when", question="When?", context="Ada came at noon.", answers=("at noon",)),
    )


def test_read_squad_accepts_a_byte_order_mark(tmp_path):
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(squad_document()), encoding="utf-8-sig")
    assert len(read_squad(path)) == 2


def test_read_texts_gives_each_context_once_and_questions_without_answers_too(tmp_path):
    document = squad_document()
    document["data"][0]["paragraphs"][0]["qas"][1] |= {"answers": [], "is_impossible": True}
    path = written(tmp_path, document)
    assert read_texts(path) == ("Ada came at noon.", "Who came?", "When?")


def test_read_squad_absent_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*absent\.json"):
        read_squad(tmp_path / "absent.json")


def test_read_squad_folder_says_that_a_file_was_expected(tmp_path):
    with pytest.raises(InputError, match="is a folder; a JSON file in SQuAD layout was expected"):
        read_squad(tmp_path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read every file"
)
def test_read_squad_closed_file_is_a_storage_error(tmp_path):
    path = written(tmp_path, squad_document())
    path.chmod(0)
    with pytest.raises(StorageError, match="may not be read"):
        read_squad(path)


def test_read_squad_latin_1_names_the_byte(tmp_path):
    path = tmp_path / "squad.json"
    path.write_bytes('{"data": "é"}'.encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8: byte 10 cannot be decoded"):
        read_squad(path)


def test_read_squad_broken_json_names_line_and_column(tmp_path):
    path = tmp_path / "squad.json"
    path.write_text('{\n "data": [}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"is not JSON: line 2, column 11"):
        read_squad(path)


def test_read_squad_empty_file_names_line_and_column(tmp_path):
    path = tmp_path / "squad.json"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"is not JSON: line 1, column 1"):
        read_squad(path)


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 200_000])
def test_read_squad_json_that_python_refuses_is_an_input_error(tmp_path, text):
    path = tmp_path / "squad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        read_squad(path)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], "the whole of it is a list; an object was expected"),
        ({}, "data is missing; a list of articles was expected"),
        ({"data": "x"}, "data is a string; a list of articles was expected"),
        ({"data": [None]}, "data[0] is null; an object was expected"),
        (
            {"data": [{"paragraphs": {}}]},
            "data[0].paragraphs is an object; a list of paragraphs was expected",
        ),
        (
            {"data": [{"paragraphs": []}, {"paragraphs": [{"context": 7, "qas": []}]}]},
            "data[1].paragraphs[0].context is the number 7; a string was expected",
        ),
    ],
)
def test_read_squad_wrong_kind_names_place_what_came_and_what_was_expected(
    tmp_path, document, expected
):
    with pytest.raises(InputError, match=re.escape(expected)):
        read_squad(written(tmp_path, document))


def test_read_squad_half_of_a_surrogate_pair_is_refused(tmp_path):
    document = squad_document()
    document["data"][0]["paragraphs"][0]["context"] = "tea \ud83c"
    with pytest.raises(InputError, match=r"context is a string with half of a surrogate pair"):
        read_squad(written(tmp_path, document))


@pytest.mark.parametrize(
    "document", [{"data": []}, {"data": [{"paragraphs": [{"context": "Ada.", "qas": []}]}]}]
)
def test_read_squad_without_questions_says_so(tmp_path, document):
    with pytest.raises(InputError, match="holds no questions"):
        read_squad(written(tmp_path, document))


def test_read_squad_repeated_id_is_named(tmp_path):
    document = squad_document()
    document["data"][0]["paragraphs"][0]["qas"][1]["id"] = "who"
    places = r"data\[0\]\.paragraphs\[0\]\.qas\[0\] and data\[0\]\.paragraphs\[0\]\.qas\[1\]"
    with pytest.raises(InputError, match=rf"two questions have the id 'who': {places}"):
        read_squad(written(tmp_path, document))


# Questions that cannot be asked

SECOND = "data[0].paragraphs[0].qas[1]"
ANSWER = {"text": "Ada", "answer_start": 0}
UNREADABLE = {
    "no question": ({"id": "bad", "answers": [ANSWER]}, "question is missing; a string was"),
    "question is null": ({"id": "bad", "question": None, "answers": [ANSWER]}, "question is null"),
    "no answers": ({"id": "bad", "question": "Who?"}, "answers is missing; a list of answers was"),
    "answers is text": ({"id": "bad", "question": "Who?", "answers": "Ada"}, "answers is a string"),
    "answers of unequal length": (
        {"id": "bad", "question": "Who?", "answers": {"text": ["Ada"], "answer_start": []}},
        "answers is an object; a list of answers was expected",
    ),
    "answer is text": ({"id": "bad", "question": "Who?", "answers": ["Ada"]}, "answers[0] is a st"),
    "start is text": (
        {"id": "bad", "question": "Who?", "answers": [ANSWER | {"answer_start": "0"}]},
        "answers[0].answer_start is a string; an integer was expected",
    ),
    "start is a boolean": (
        {"id": "bad", "question": "Who?", "answers": [ANSWER, ANSWER | {"answer_start": True}]},
        "answers[1].answer_start is a boolean; an integer was expected",
    ),
    "half a pair": (
        {"id": "bad", "question": "tea \ud83c", "answers": [ANSWER]}, "half of a surrogate pair",
    ),
    "unlabelled": ({"id": "bad", "question": "Who?", "answers": []}, "it has no answers, and is"),
    "said to have one": (
        {"id": "bad", "question": "Who?", "answers": [], "is_impossible": False}, "it has no answe",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_read_squad_names_a_question_that_cannot_be_asked_and_keeps_the_others(
    tmp_path, bad, reason
):
    document = squad_document()
    document["data"][0]["paragraphs"][0]["qas"][1] = bad
    good, unreadable = read_squad(written(tmp_path, document))
    assert isinstance(good, Question)
    assert (good.id, good.may_lack_answer) == ("who", False)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.id == "bad"
    assert unreadable.reason.startswith(f"{SECOND}: ")
    assert reason in unreadable.reason


@pytest.mark.parametrize("bad", ["text", None, {"id": True}, {"id": ["a"]}, {"question": "Who?"}])
def test_read_squad_question_without_a_name_has_its_place(tmp_path, bad):
    document = squad_document()
    document["data"][0]["paragraphs"][0]["qas"][1] = bad
    _, unreadable = read_squad(written(tmp_path, document))
    assert unreadable.id == SECOND


def test_read_squad_of_which_nothing_can_be_asked_is_refused_by_its_first(tmp_path):
    document = squad_document()
    for each in document["data"][0]["paragraphs"][0]["qas"]:
        del each["question"]
    message = "none of its 2 questions can be read; the first, 'who': data[0].paragraphs[0].qas[0]"
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_squad(written(tmp_path, document))
    assert '"answer_start": 0' in caught.value.hint


# An example a line, as `datasets` writes SQuAD

FLAT = {"title": "visit", "context": "Ada came.\u2028At noon.", "question": "Who came?"}


def flat(name: object, *answers: str, **changed: Any) -> dict[str, Any]:
    texts = {"text": list(answers), "answer_start": [0] * len(answers)}
    return {"id": name, **FLAT, "answers": texts, **changed}


def write_lines(tmp_path: Path, *lines: object, name: str = "squad.jsonl", end: str = "\n") -> Path:
    """Writes lines; a text as it is, all else as JSON without escapes."""
    spelt = (
        each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in lines
    )
    path = tmp_path / name
    path.write_bytes("".join(f"{line}{end}" for line in spelt).encode())
    return path


@pytest.mark.parametrize("name", ["squad.jsonl", "squad.json", "squad", "squad.txt"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"], ids=["unix", "windows", "blank lines"])
@pytest.mark.parametrize("names", [("a",), ("a", "b"), (1, 2)], ids=str)
def test_read_squad_takes_an_example_a_line_whatever_the_file_is_called(tmp_path, name, end, names):
    path = write_lines(tmp_path, *(flat(each, "Ada", "ada") for each in names), name=name, end=end)
    assert read_squad(path) == tuple(
        Question(
            id=str(each), question="Who came?", context=FLAT["context"], answers=("Ada", "ada")
        )
        for each in names
    )
    assert read_texts(path) == (FLAT["context"], *["Who came?"] * len(names))


def test_read_squad_takes_lines_after_a_byte_order_mark_and_without_a_last_end(tmp_path):
    path = write_lines(tmp_path, flat("a", "Ada"), flat("b", "Ada"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip())
    assert [each.id for each in read_squad(path)] == ["a", "b"]


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    ("bad", "name", "reason"),
    [
        ('{"id": "bad", "cont', "line {line}", "it is not JSON: line {line}, column 1"),
        ("[" * 100_000, "line {line}", "it cannot be read as JSON: it nests too deeply"),
        ('{"id": ' + "9" * 5000 + "}", "line {line}", "it cannot be read as JSON: Exceeds the"),
        ("7", "line {line}", "the whole of it is the number 7; an object was expected"),
        ("{}", "line {line}", "id is missing; a string was expected"),
        (flat("bad", "Ada", context=None), "bad", "context is null; a string was expected"),
        (flat("bad", answers=["Ada"]), "bad", "answers[0] is a string; an object was expected"),
        (flat("bad", is_impossible=False), "bad", "it has no answers, and is not marked with"),
    ],
    ids=["cut", "nested", "digits", "number", "empty", "context", "answers", "unlabelled"],
)  # fmt: skip
def test_read_squad_line_that_cannot_be_asked_is_named_and_the_others_are_read(
    tmp_path, bad, name, reason, position
):
    lines: list[object] = [flat("a", "Ada"), flat("b", "Ada")]
    lines.insert(position, bad)
    examples = read_squad(write_lines(tmp_path, *lines))
    unreadable = examples[position]
    line = position + 1
    assert isinstance(unreadable, Unreadable)
    assert unreadable.id == name.format(line=line)
    assert unreadable.reason.startswith(f"line {line}: ")
    assert reason.format(line=line) in unreadable.reason
    assert [each.id for each in examples if isinstance(each, Question)] == ["a", "b"]


def test_read_squad_repeated_id_is_named_with_its_lines(tmp_path):
    path = write_lines(tmp_path, flat("a", "Ada"), flat("b", "Ada"), flat("a", "Ada"))
    with pytest.raises(InputError, match="two questions have the id 'a': line 1 and line 3"):
        read_squad(path)


@pytest.mark.parametrize("rest", ["{", "x", '{"data": []}'])
def test_read_squad_layout_with_something_behind_is_no_example_a_line(tmp_path, rest):
    path = write_lines(tmp_path, squad_document(), rest)
    with pytest.raises(InputError, match="is not JSON: line 2, column 1: Extra data"):
        read_squad(path)


def test_read_texts_names_what_it_cannot_read(tmp_path):
    path = write_lines(tmp_path, flat("a", "Ada"), flat("b", "Ada", question=7))
    with pytest.raises(InputError, match=r"squad\.jsonl, line 2: question is the number 7"):
        read_texts(path)


def test_read_texts_gives_contexts_that_nobody_asks_about(tmp_path):
    document = squad_document()
    document["data"][0]["paragraphs"].append({"context": "Nobody asked.", "qas": []})
    texts = read_texts(written(tmp_path, document))
    assert texts == ("Ada came at noon.", "Nobody asked.", "Who came?", "When?")


# Questions without an answer


def test_read_squad_takes_questions_that_are_marked_to_have_no_answer(tmp_path):
    document = squad_document()
    document["data"][0]["paragraphs"][0]["qas"][1] |= {"answers": [], "is_impossible": True}
    read = [(each.id, each.answers, each.may_lack_answer) for each in read_questions(
        written(tmp_path, document))]  # fmt: skip
    assert read == [("who", ("Ada", "Ada"), True), ("when", (), True)]


def test_read_squad_takes_lines_without_answers_as_questions_without(tmp_path):
    path = write_lines(tmp_path, flat("a", "Ada"), flat("b"))
    read = [(each.id, each.answers, each.may_lack_answer) for each in read_questions(path)]
    assert read == [("a", ("Ada",), True), ("b", (), True)]


def read_questions(path: Path) -> list[Question]:
    examples = read_squad(path)
    assert all(isinstance(each, Question) for each in examples)
    return [each for each in examples if isinstance(each, Question)]


@pytest.mark.parametrize(
    ("answers", "prediction", "expected"),
    [
        # Worked out by hand from `get_raw_scores` of evaluate-v2.0.py: exact match and F1.
        ((), "", (100.0, 100.0)),
        ((), "Ada", (0.0, 0.0)),
        ((), "the", (100.0, 100.0)),  # nothing is left of it, as of none
        (("Ada",), "", (0.0, 0.0)),
        (("Ada",), "ADA!", (100.0, 100.0)),
        (("old boat",), "the small old boat", (0.0, 80.0)),
        (("the", "old boat"), "a", (0.0, 0.0)),  # an answer of which nothing is left does not count
        (("the", "old boat"), "old boat", (100.0, 100.0)),
        (("the",), "a", (100.0, 100.0)),  # unless it is the only one, which is none then
        (("the",), "boat", (0.0, 0.0)),
    ],
)
def test_score_of_a_file_with_unanswerable_questions_follows_version_2(
    answers, prediction, expected
):
    question = replace(a_question(answers=answers), may_lack_answer=True)
    result = score({"q": prediction}, (question,))
    assert (result.exact_match, result.f1) == pytest.approx(expected)


def test_score_counts_what_cannot_be_read_as_wrong():
    examples = (a_question(id="a"), Unreadable(id="b", reason="line 2: it is empty"))
    result = score({"a": "Ada", "b": "Ada"}, examples)
    assert (result.exact_match, result.f1, result.count) == (50.0, 50.0, 2)


# The package's own questions


def test_labelled_questions_are_many_and_their_ids_unique():
    questions = labelled_questions()
    assert len(questions) >= 60
    assert len({question.context for question in questions}) >= 12
    assert len({question.id for question in questions}) == len(questions)


def test_labelled_questions_answers_stand_where_the_file_says():
    document = json.loads(PACKAGE_FILE.read_text(encoding="utf-8"))
    for article in document["data"]:
        for paragraph in article["paragraphs"]:
            for labelled in paragraph["qas"]:
                assert 1 <= len(labelled["answers"]) <= 3
                for answer in labelled["answers"]:
                    start = answer["answer_start"]
                    span = paragraph["context"][start : start + len(answer["text"])]
                    assert span == answer["text"], labelled["id"]


def test_labelled_questions_score_full_marks_with_their_own_answers():
    questions = labelled_questions()
    result = score({question.id: question.answers[-1] for question in questions}, questions)
    assert (result.exact_match, result.f1, result.count) == (100.0, 100.0, len(questions))


# Scoring


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  Eiffel\tTower\n", "eiffel tower"),
        ("a cat, an owl and the dog", "cat owl and dog"),
        ("Anna's theatre", "annas theatre"),  # "an" and "the" inside words stay
        ("$2,907.15", "290715"),
        ("well-known", "wellknown"),
        ("A.N. Other", "other"),  # the points go first, then "an" is an article
        ("the-end", "theend"),  # the hyphen goes first, then "the" is no word of its own
        ("“Éclair” — 5 €", "“éclair” — 5 €"),  # only ASCII punctuation goes
        ("3\u00a0km", "3 km"),  # a no-break space is whitespace
        ("the", ""),
    ],
)
def test_normalize_answer_follows_the_official_order(text, normalized):
    assert normalize_answer(text) == normalized


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("the Linnet", ("Linnet",), 1.0),
        ("LINNET!", ("the Linnet", "boat"), 1.0),
        ("boat", ("the Linnet", "a boat"), 1.0),
        ("Linnets", ("Linnet",), 0.0),
        ("", ("Linnet",), 0.0),
        ("a", ("the",), 1.0),  # both are empty once normalized
        ("Ada", (), 0.0),
    ],
)
def test_exact_match_takes_any_answer_after_normalization(prediction, answers, expected):
    assert exact_match(prediction=prediction, answers=answers) == expected


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("the Linnet", ("Linnet",), 1.0),
        # Shared: old, boat = 2. Precision 2/3, recall 2/2: 2 * (2/3) / (5/3) = 4/5.
        ("the small old boat", ("old boat",), 0.8),
        # Shared: old = 1. Precision 1/1, recall 1/4: 2 * (1/4) / (5/4) = 2/5.
        ("old", ("very old fishing boat",), 0.4),
        # Order plays no part: 3 of 3 tokens are shared.
        ("1871 October 3", ("3 October 1871",), 1.0),
        # "ha" counts twice on both sides: shared 2. Precision 2/3, recall 2/2: 4/5.
        ("ha ha ha", ("ha ha",), 0.8),
        # "ha" counts once on the right: shared 1. Precision 1/3, recall 1/2: 2 * (1/6) / (5/6).
        ("ha ha ha", ("ha ho",), 0.4),
        # Best of: 0 for "noon"; shared 1, precision 1/2, recall 1/1 for "café": 2/3.
        ("Café Águias", ("noon", "café"), 2 / 3),
        # Accents are part of a token, so nothing is shared.
        ("cafe", ("café",), 0.0),
        ("", ("Linnet",), 0.0),
        ("Linnet", ("boat",), 0.0),
        # No tokens on either side: nothing is shared, so 0 in version 1.1, although exact.
        ("a", ("the",), 0.0),
        ("", ("",), 0.0),
        ("Ada", (), 0.0),
    ],
)
def test_f1_equals_the_value_worked_out_by_hand(prediction, answers, expected):
    assert f1(prediction=prediction, answers=answers) == pytest.approx(expected, abs=1e-12)


def test_score_counts_every_question_and_a_missing_prediction_as_zero():
    questions = (
        a_question(id="exact", answers=("the Linnet",)),
        a_question(id="partial", answers=("old boat",)),
        a_question(id="wrong"),
        a_question(id="missing"),
    )
    predictions = {"exact": "Linnet", "partial": "small old boat", "wrong": "x", "other": "Ada"}
    result = score(predictions, questions)
    # Exact: 1 of 4. F1: (1 + 0.8 + 0 + 0) / 4.
    assert result.exact_match == pytest.approx(25.0)
    assert result.f1 == pytest.approx(45.0)
    assert result.count == 4


def test_score_absent_prediction_is_zero_where_an_empty_one_is_exact():
    questions = (a_question(answers=("the",)),)
    assert score({"q": ""}, questions).exact_match == 100.0
    assert score({}, questions).exact_match == 0.0


def test_score_without_questions_is_refused():
    with pytest.raises(InputError, match="no questions to score"):
        score({"q": "Ada"}, ())


# Few distinct words, so that overlaps, repeats and articles come up often.
PHRASES = st.lists(
    st.sampled_from(["the", "An", "old", "boat,", "Boat", "é", "—", "茶", "...", "3"]), max_size=6
).map(" ".join) | st.text(max_size=12)


@given(left=PHRASES, right=PHRASES)
def test_f1_lies_between_zero_and_one_and_is_symmetric(left, right):
    forward = f1(prediction=left, answers=(right,))
    assert 0.0 <= forward <= 1.0
    assert forward == pytest.approx(f1(prediction=right, answers=(left,)))


@given(prediction=PHRASES, answers=st.lists(PHRASES, min_size=1, max_size=3))
def test_an_exact_match_with_tokens_has_an_f1_of_one(prediction, answers):
    if exact_match(prediction=prediction, answers=answers) and normalize_answer(prediction):
        assert f1(prediction=prediction, answers=answers) == 1.0


@given(prediction=PHRASES, answers=st.lists(PHRASES, min_size=1, max_size=3), other=PHRASES)
def test_another_answer_never_lowers_a_score(prediction, answers, other):
    for metric in (exact_match, f1):
        assert metric(prediction=prediction, answers=[*answers, other]) >= metric(
            prediction=prediction, answers=answers
        )
