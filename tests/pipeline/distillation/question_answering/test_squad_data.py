import json
import random

import pytest

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults
from pipeline.distillation.question_answering.squad_data import (
    SquadSource,
    hold_out,
    read_labelled_spans,
)
from tests.pipeline.distillation.small_data import (
    numbered_squad,
    question,
    word_tokenizer,
    words_of,
    write_squad,
)

CONTEXT = "The lamp was lit in 1871. The keeper lit the lamp in 1871, and the lamp burnt."
ASKED = "When was the lamp lit?"
TOWER = "Tower was lit by the keeper in ."


@pytest.fixture
def read(tmp_path):
    """Reads questions over the one context, and tells what was left out."""

    def run(*qas, allowed=False):
        path = write_squad(tmp_path / "data.json", {CONTEXT: qas})
        faults = Faults(allowed=allowed)
        return read_labelled_spans(path, faults), faults.found

    return run


# Where the answers stand


@pytest.mark.parametrize(
    ("answer", "start", "span"),
    [
        ("1871", 20, (20, 24)),
        ("1871", 53, (53, 57)),
        ("1871", 50, (53, 57)),
        ("1871", 26, (20, 24)),
        ("1871", 5000, (53, 57)),
        ("1871", -1, (20, 24)),
        (" 1871", 19, (20, 24)),
        ("keeper \n", 30, (30, 36)),
        ("lamp", 70, (67, 71)),
    ],
    ids=[
        "right", "second", "near the second", "near the first", "beyond the end", "before",
        "space before", "space after", "one word of three",
    ],
)  # fmt: skip
def test_answer_is_found_at_its_place_or_nearest_to_it(read, answer, start, span):
    ((example,), left_out) = read(question("a", ASKED, [(answer, start)]))
    assert example.spans == (span,)
    assert CONTEXT[slice(*span)] == answer.strip()
    assert left_out == []


def test_answers_of_all_annotators_are_kept_as_they_were_given(read):
    ((example,), _) = read(question("a", ASKED, [("1871", 20), ("in 1871", 17), ("1871", 20)]))
    assert example.spans == ((20, 24), (17, 24), (20, 24))
    assert example.question.answers == ("1871", "in 1871", "1871")
    assert (example.question.id, example.question.question) == ("a", ASKED)
    assert example.question.context == CONTEXT


def test_numbered_question_has_its_number_as_text(read):
    ((example,), _) = read(question(262, ASKED, [("1871", 20)]))
    assert example.question.id == "262"


# Questions that cannot be used

GOOD = question("good", ASKED, [("1871", 20)])
BAD = {
    "another case": (question("bad", ASKED, [("THE LAMP", 0)]), "'THE LAMP' of the question 'bad'"),
    "one of two absent": (question("bad", ASKED, [("1871", 20), ("1872", 20)]), "not in its conte"),
    "empty": (question("bad", ASKED, [(" ", 0)]), "the answer ' ' of the question 'bad' is not in"),
    "none": (question("bad", ASKED, []), "the question 'bad' has no answer"),
    "no answers at all": ({"id": "bad", "question": ASKED}, "answers is missing; a list of answ"),
    "start is text": (question("bad", ASKED, [("1871", "20")]), "answers[0].answer_start is a str"),
    "asked is null": (question("bad", None, [("1871", 20)]), "question is null; a string was exp"),
    "no object": ("bad", "is a string; an object was expected"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), BAD.values(), ids=BAD)
def test_bad_question_stops_the_reading(read, bad, message):
    with pytest.raises(InputError) as caught:
        read(GOOD, bad)
    assert message in caught.value.message
    assert "data.json, line " in caught.value.message
    assert ", data[0].paragraphs[0].qas[1]: " in caught.value.message
    assert "--skip-bad" in caught.value.hint


@pytest.mark.parametrize(("bad", "message"), BAD.values(), ids=BAD)
def test_bad_question_is_left_out_where_that_is_allowed(read, bad, message):
    examples, left_out = read(GOOD, bad, GOOD, allowed=True)
    assert [each.question.id for each in examples] == ["good", "good"]
    (told,) = left_out
    assert message in told


@pytest.mark.parametrize("name", ["bad", 1, "ünï"], ids=["text", "number", "not ASCII"])
@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "plain"])
def test_bad_question_is_named_with_the_line_of_its_id(tmp_path, name, ascii_only):
    qas = [question(f"good-{name}", ASKED, [("1871", 20)]), question(name, ASKED, [])]
    document = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": qas}]}]}
    path = tmp_path / "data.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=ascii_only), encoding="utf-8")
    lines = path.read_text(encoding="utf-8").splitlines()
    spelt = f'"id": {json.dumps(name, ensure_ascii=ascii_only)},'
    (expected,) = [number for number, line in enumerate(lines, 1) if line.strip() == spelt]
    with pytest.raises(InputError, match=rf"data\.json, line {expected}, data\[0\]"):
        read_labelled_spans(path, Faults(allowed=False))


def test_examples_a_line_are_read_and_bad_ones_named_with_their_line(tmp_path):
    path = tmp_path / "data.jsonl"
    answers = {"text": ["1871"], "answer_start": [20]}
    good = {"id": "good", "context": CONTEXT, "question": ASKED, "answers": answers}
    bad = good | {"id": "bad", "answers": {"text": [], "answer_start": []}}
    path.write_text("".join(f"{json.dumps(each)}\n" for each in (good, bad)), encoding="utf-8")
    with pytest.raises(InputError, match=r"data\.jsonl, line 2: the question 'bad' has no answer"):
        read_labelled_spans(path, Faults(allowed=False))
    faults = Faults(allowed=True)
    (example,) = read_labelled_spans(path, faults)
    assert (example.question.id, example.spans, len(faults.found)) == ("good", ((20, 24),), 1)


# Questions without an answer


def test_question_that_is_known_to_have_no_answer_is_drawn_without_one(read):
    impossible = question("none", "Who?", []) | {"is_impossible": True}
    examples, left_out = read(question("a", ASKED, [("1871", 20)]), impossible)
    assert left_out == []
    assert [each.spans for each in examples] == [((20, 24),), ()]
    assert [each.question.may_lack_answer for each in examples] == [False, True]
    tokenizer = word_tokenizer(CONTEXT, ASKED, "Who?")
    source = SquadSource(examples, tokenizer)
    row = source.draw(1, rng=random.Random(0), max_seq_len=64)
    assert row.spans == ((0, 0),)
    assert words_of(tokenizer, row.ids[row.first : -1]).startswith("the lamp was lit in 1871")


@pytest.mark.parametrize("claim", [False, None, "true", 1])
def test_question_without_an_answer_that_is_not_known_to_have_none_is_a_fault(read, claim):
    _, (told,) = read(
        question("a", ASKED, [("1871", 20)]),
        question("bad", ASKED, []) | {"is_impossible": claim},
        allowed=True,
    )
    assert "the question 'bad' has no answer" in told


def test_draw_without_answer_takes_a_neighbour_in_which_no_answer_stands(tmp_path):
    tokenizer = word_tokenizer(*(f"tower {1800 + n} {n}" for n in range(40)), TOWER, "when who ?")
    path = numbered_squad(tmp_path / "data.json", num_contexts=40)
    source = SquadSource(read_labelled_spans(path, Faults(allowed=False)), tokenizer)
    for index in range(0, len(source), 2):  # those that ask for a year
        drawn = set()
        for seed in range(30):
            row = source.draw_without_answer(index, rng=random.Random(seed), max_seq_len=64)
            assert row.spans == ((0, 0),)
            own = source.draw(index, rng=random.Random(seed), max_seq_len=64)
            assert (row.name, row.ids[: row.first]) == (own.name, own.ids[: own.first])
            assert own.ids[slice(own.spans[0][0], own.spans[0][1] + 1)][0] not in row.ids
            drawn.add(int(words_of(tokenizer, row.ids[row.first : -1]).split()[1]))
        place = index // 2
        near = set(range(max(0, place - 5), min(40, place + 6))) - {place}
        assert drawn <= near
        assert len(drawn) >= 3
    # Who lit it is the keeper everywhere.
    assert source.draw_without_answer(1, rng=random.Random(0), max_seq_len=64) is None


# Files that cannot be used


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON: line 1, column 1"),
        ('{"data": [\n]', "is not JSON: line 2, column 2"),
        ("[]", "is not in SQuAD layout: the whole of it is a list"),
        ("{}", "data is missing; a list of articles was expected"),
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', "context is missing"),
        ('{"data": [{"paragraphs": [{"context": "x", "qas": {}}]}]}', "a list of questions was"),
        ('{"data": []}', "holds no question to train on"),
        ('{"data": [{"paragraphs": [{"context": "x", "qas": [1]}]}]}', "holds no question to"),
    ],
)  # fmt: skip
def test_file_without_questions_is_refused_even_where_bad_ones_are_allowed(
    tmp_path, content, message
):
    path = tmp_path / "data.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_labelled_spans(path, Faults(allowed=True))
    assert message in caught.value.message
    assert str(path) in caught.value.message


def test_absent_file_and_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        read_labelled_spans(tmp_path / "absent.json", Faults(allowed=True))
    with pytest.raises(InputError, match="is a folder"):
        read_labelled_spans(tmp_path, Faults(allowed=True))


# Questions that are kept apart


@pytest.fixture
def examples(tmp_path):
    return read_labelled_spans(
        numbered_squad(tmp_path / "numbered.json", num_contexts=20), Faults(allowed=False)
    )


@pytest.mark.parametrize(("wanted", "kept_apart"), [(0, 0), (1, 2), (4, 4), (7, 8), (99, 40)])
def test_hold_out_keeps_whole_contexts_apart(examples, wanted, kept_apart):
    rest, held_out = hold_out(examples, num_questions=wanted)
    assert len(held_out) == kept_apart
    contexts = {each.context for each in held_out}
    assert contexts.isdisjoint(each.question.context for each in rest)
    assert rest == [each for each in examples if each.question.context not in contexts]
    assert {each.id for each in held_out} | {each.question.id for each in rest} == {
        each.question.id for each in examples
    }


def test_hold_out_is_decided_by_the_examples(examples):
    first = hold_out(examples, num_questions=8)
    random.seed(1)
    assert hold_out(examples, num_questions=8) == first
    assert first[1] != [each.question for each in examples[:8]]


# Rows


def draw(source: SquadSource, *, max_seq_len: int = 384, index: int = 0, seed: int = 0):
    return source.draw(index, rng=random.Random(seed), max_seq_len=max_seq_len)


def test_source_draws_the_answers_that_were_read(examples):
    tokenizer = word_tokenizer(*(f"{each.question.context} When Who ?" for each in examples))
    source = SquadSource(examples, tokenizer)
    assert len(source) == len(examples) == 40
    for index, example in enumerate(examples):
        row = draw(source, index=index)
        assert row.name == example.question.id
        read = words_of(tokenizer, row.ids)
        asked = example.question.question.lower().replace("?", " ?")
        context = example.question.context.lower().replace(".", " .")
        assert read == f"[CLS] {asked} [SEP] {context} [SEP]"
        answers = [words_of(tokenizer, row.ids[a : b + 1]) for a, b in row.spans]
        assert answers == list(example.question.answers)


def test_source_keeps_the_answer_that_most_annotators_gave(read):
    answers = [("The keeper", 26), ("burnt", 72), ("1871", 20), ("burnt", 72)]
    found, _ = read(question("a", ASKED, answers))
    tokenizer = word_tokenizer(CONTEXT, ASKED)
    for seed in range(20):
        row = draw(SquadSource(found, tokenizer), max_seq_len=16, seed=seed)
        given = [words_of(tokenizer, row.ids[a : b + 1]) for a, b in row.spans]
        assert given == ["burnt", "burnt"]


def test_source_marks_the_whole_word_that_an_answer_begins_in(read):
    found, _ = read(question("a", ASKED, [("eeper lit the la", 31)]))
    tokenizer = word_tokenizer(CONTEXT, ASKED)
    row = draw(SquadSource(found, tokenizer))
    ((first, last),) = row.spans
    assert words_of(tokenizer, row.ids[first : last + 1]) == "keeper lit the lamp"


def test_source_leaves_out_answers_of_which_no_token_is_left(tmp_path):
    context = "The lamp \u200b was lit."
    qas = [
        question("a", ASKED, [("\u200b", 9)]),
        question("b", ASKED, [("\u200b", 9), ("lit", 15)]),
    ]
    path = write_squad(tmp_path / "data.json", {context: qas})
    found = read_labelled_spans(path, Faults(allowed=False))
    source = SquadSource(found, word_tokenizer(context, ASKED))
    assert len(source) == 1
    row = draw(source)
    assert (row.name, len(row.spans)) == ("b", 1)
