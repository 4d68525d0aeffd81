import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults
from pipeline.distillation.held_out import LENGTHS
from pipeline.distillation.objective import POOL_BATCHES, Batch
from pipeline.distillation.question_answering.qamr import QamrSource
from pipeline.distillation.question_answering.span_objective import SpanObjective
from pipeline.distillation.question_answering.squad_data import (
    LabelledSpans,
    SquadSource,
    read_labelled_spans,
)
from pipeline.tasks.question_answering import spans
from pipeline.tasks.question_answering.spans import Answer
from pipeline.tasks.question_answering.squad import Question, labelled_questions, score
from pipeline.tokenizer.tokenization import set_second_type
from tests.pipeline.distillation.small_data import (
    numbered_squad,
    qamr_row,
    question,
    word_tokenizer,
    words_of,
    write_qamr,
    write_squad,
)

NUM_CONTEXTS = 40
LONG = (
    "The lamp burnt. " * 20 + "Tower 999 was lit by the keeper in 2799. " + "The lamp burnt. " * 20
)
SENTENCES = {f"Wiki:news:1:{n}": f"The keeper lit tower {n} ." for n in range(40)}


@pytest.fixture(scope="module")
def words():
    numbers = " ".join(str(each) for each in (*range(NUM_CONTEXTS), *range(1800, 1900)))
    return word_tokenizer(LONG, *SENTENCES.values(), numbers, "When was? Who lit?")


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> list[LabelledSpans]:
    """Two questions over each of many short contexts."""
    path = tmp_path_factory.mktemp("squad") / "numbered.json"
    return read_labelled_spans(
        numbered_squad(path, num_contexts=NUM_CONTEXTS), Faults(allowed=False)
    )


@pytest.fixture
def objective(tmp_path, words, examples):
    """Makes an objective over 80 SQuAD questions, 40 QAMR ones and one over a long context."""
    rows = [qamr_row(name, "Who lit it?", "0 1", "0 1", "1") for name in SENTENCES]
    qamr = QamrSource(
        write_qamr(tmp_path / "qamr", SENTENCES, rows),
        tokenizer=words,
        faults=Faults(allowed=False),
    )
    asked = question("long", "Who lit tower 999?", [("the keeper", LONG.index("the keeper"))])
    path = write_squad(tmp_path / "long.json", {LONG: [asked]})
    long = SquadSource(read_labelled_spans(path, Faults(allowed=False)), words)

    def make(
        batch_size: int, *, seed: int = 0, max_seq_len: int = 64, no_answer_share: float = 0.0
    ) -> SpanObjective:
        return SpanObjective(
            [SquadSource(examples, words), qamr, long],
            held_out=[examples[0].question],
            tokenizer=words,
            batch_size=batch_size,
            max_seq_len=max_seq_len,
            no_answer_share=no_answer_share,
            seed=seed,
        )

    return make


def take(objective: SpanObjective, count: int, start: dict[str, int] | None = None) -> list[Batch]:
    return list(itertools.islice(objective.batches(start), count))


def same(one: Batch, other: Batch) -> bool:
    return (
        (one.names, one.after) == (other.names, other.after)
        and one.inputs.keys() == other.inputs.keys()
        and all(torch.equal(one.inputs[name], other.inputs[name]) for name in one.inputs)
        and torch.equal(one.targets, other.targets)
    )


# Order


def test_batches_give_each_example_at_most_once_an_epoch(objective):
    made = objective(7)
    assert (made.num_examples, made.batches_per_epoch) == (121, 17)
    batches = take(made, 34)
    orders = []
    for epoch in range(2):
        of_epoch = batches[17 * epoch : 17 * epoch + 17]
        positions = [batch.after for batch in of_epoch]
        assert positions == [{"epoch": epoch, "batch": done} for done in range(1, 18)]
        names = [name for batch in of_epoch for name in batch.names]
        assert len(set(names)) == len(names) == 119
        orders.append(names)
    assert orders[0] != orders[1]
    assert set(orders[0]) != set(orders[1]), "what one epoch leaves over comes in another"


@pytest.mark.parametrize("batch_size", [2, 7, 121], ids=["two pools", "one pool", "one batch"])
def test_batches_from_any_position_are_those_of_a_run_without_interruption(objective, batch_size):
    made = objective(batch_size, max_seq_len=32)
    count = 2 * made.batches_per_epoch + 5
    assert (made.batches_per_epoch > POOL_BATCHES) == (batch_size == 2)
    whole = take(made, count)
    assert all(map(same, take(objective(batch_size, max_seq_len=32), count), whole))
    for done in range(1, count - 2):
        position = json.loads(json.dumps(whole[done - 1].after))
        resumed = take(made, 2, position)
        assert all(map(same, resumed, whole[done : done + 2])), position


def test_batches_of_another_seed_are_others(objective):
    first, second = (take(objective(7, seed=seed), 17) for seed in (0, 1))
    assert not any(map(same, first, second))


def test_batches_draw_windows_and_companions_afresh_each_epoch(objective):
    made = objective(121)
    first, second = take(made, 2)

    def row(batch: Batch, name: str) -> list[int]:
        index = batch.names.index(name)
        return batch.inputs["input_ids"][index][batch.inputs["attention_mask"][index] == 1].tolist()

    assert row(first, "long") != row(second, "long")
    from_qamr = [name for name in first.names if name.startswith("dev:")]
    assert len(from_qamr) == 40
    assert sum(row(first, name) != row(second, name) for name in from_qamr) > 30
    assert row(first, "who-3") == row(second, "who-3")


def test_batches_of_a_pool_hold_rows_of_similar_length_in_a_mixed_order(objective):
    made = objective(7)
    lengths = [batch.inputs["attention_mask"].sum(1).tolist() for batch in take(made, 17)]
    by_length = sorted(lengths, key=lambda each: (min(each), max(each)))
    for shorter, longer in itertools.pairwise(by_length):
        assert max(shorter) <= min(longer)
    assert lengths != by_length
    assert min(by_length[0]) < max(by_length[-1])


# What a batch holds


def test_batch_marks_tokens_context_and_answers(objective, words):
    for batch in take(objective(7), 17):
        ids, mask = batch.inputs["input_ids"], batch.inputs["attention_mask"]
        assert {value.shape for value in batch.inputs.values()} == {ids.shape}
        assert {value.dtype for value in batch.inputs.values()} == {torch.int64}
        assert ids.shape[1] % 8 == 0
        assert ids.shape[1] - mask.sum(1).max() < 8
        assert torch.equal(ids == 0, mask == 0), "padding, and padding alone, is masked"
        assert torch.equal(mask, mask.sort(dim=1, descending=True).values)
        assert batch.targets.shape == (*ids.shape, 2)
        assert torch.allclose(batch.targets.sum(1), torch.ones(7, 2))
        types = batch.inputs["token_type_ids"]
        assert not batch.targets[types == 0].any(), "answers stand in the context"
        for index, name in enumerate(batch.names):
            read = words_of(words, ids[index][types[index] == 1])
            asked = words_of(words, ids[index][(types[index] == 0) & (mask[index] == 1)])
            assert asked.startswith("[CLS] w")
            assert asked.endswith("? [SEP]")
            assert read.endswith("[SEP]")
            first, last = batch.targets[index].argmax(0).tolist()
            answer = words_of(words, ids[index][first : last + 1])
            number = name.removeprefix("when-")
            assert answer == ("the keeper" if number == name else f"{1800 + int(number)}")


def test_batch_has_one_token_type_where_the_teachers_tokenizer_gives_one(words, examples):
    tokenizer = Tokenizer.from_str(words.to_str())
    set_second_type(tokenizer, 0)
    made = SpanObjective(
        [SquadSource(examples, tokenizer)], held_out=[examples[0].question], tokenizer=tokenizer,
        batch_size=7, max_seq_len=64, seed=0,
    )  # fmt: skip
    (batch,) = take(made, 1)
    assert not batch.inputs["token_type_ids"].any()


def test_batch_targets_share_out_among_the_annotators(tmp_path, words):
    context = "The keeper lit the lamp."
    answers = [("keeper", 4), ("The keeper", 0), ("keeper", 4), ("keeper lit", 4)]
    path = write_squad(tmp_path / "four.json", {context: [question("a", "Who?", answers)]})
    examples = read_labelled_spans(path, Faults(allowed=False))
    made = SpanObjective(
        [SquadSource(examples, words)],
        held_out=[examples[0].question],
        tokenizer=words,
        batch_size=1,
        max_seq_len=32,
        seed=0,
    )
    (batch,) = take(made, 1)
    assert words_of(words, batch.inputs["input_ids"][0, 4:7]) == "the keeper lit"
    assert batch.targets[0, 4:7].tolist() == [[0.25, 0], [0.75, 0.75], [0, 0.25]]
    assert batch.targets.sum() == 2


def test_share_of_questions_without_an_answer_points_at_cls_afresh_in_each_epoch(objective):
    made = objective(11, no_answer_share=0.4)
    epochs = [take(made, 11), take(made, 11, {"epoch": 1, "batch": 0})]
    without = [
        {
            name
            for batch in batches
            for name, targets in zip(batch.names, batch.targets, strict=True)
            if targets[0].tolist() == [1, 1]
        }
        for batches in epochs
    ]
    # A question whose answer stands in all the texts around it keeps its own.
    assert all(10 < len(names) < 60 for names in without)
    assert without[0] != without[1]
    assert all(same(*pair) for pair in zip(epochs[0], take(made, 11), strict=True))


@pytest.mark.parametrize(("batch_size", "sources"), [(81, 1), (1, 0)], ids=["few", "none"])
def test_fewer_examples_than_a_batch_takes_are_refused(words, examples, batch_size, sources):
    with pytest.raises(InputError, match=rf"holds {80 * sources} examples, and a batch takes"):
        SpanObjective(
            [SquadSource(examples, words)] * sources,
            held_out=[examples[0].question],
            tokenizer=words,
            batch_size=batch_size,
            max_seq_len=64,
            seed=0,
        )


# What is minimized


@pytest.fixture
def read_batch(objective):
    """A batch, and logits for it."""
    (batch,) = take(objective(7), 1)
    generator = torch.Generator().manual_seed(0)
    start, end = (torch.randn(batch.targets.shape[:2], generator=generator) for _ in range(2))
    return batch, SimpleNamespace(start_logits=start, end_logits=end)


def test_logits_of_padding_are_out_of_reach_and_others_stay(objective, read_batch):
    batch, outputs = read_batch
    found = objective(7).logits(outputs, batch)
    assert found.shape == (14, batch.targets.shape[1])
    tokens = batch.inputs["attention_mask"] == 1
    assert not tokens.all()
    assert torch.equal(found[:7][tokens], outputs.start_logits[tokens])
    assert torch.equal(found[7:][tokens], outputs.end_logits[tokens])
    probabilities = found.softmax(-1)
    assert not probabilities[torch.cat([~tokens, ~tokens])].any()
    assert torch.isfinite(found - found.flip(0)).all()


def test_hard_loss_is_the_cross_entropy_over_the_tokens_of_each_row(objective, read_batch):
    batch, outputs = read_batch
    expected = 0.0
    for index in range(7):
        num_tokens = int(batch.inputs["attention_mask"][index].sum())
        for side, logits in enumerate((outputs.start_logits, outputs.end_logits)):
            row = logits[index : index + 1, :num_tokens]
            target = batch.targets[index, :, side].argmax()[None]
            expected += functional.cross_entropy(row, target).item()
    assert objective(7).hard_loss(outputs, batch).item() == pytest.approx(expected, rel=1e-5)


def test_num_terms_counts_two_positions_a_row_and_every_token(objective, read_batch):
    batch, _ = read_batch
    num_tokens = (batch.inputs["input_ids"] != 0).sum().item()
    assert objective(7).num_terms(batch) == {"soft": 14, "hard": 14, "cosine": num_tokens}


# How the student is judged


@pytest.fixture(scope="module")
def judged(tokenizer, examples):
    """Makes an objective with held-out questions of the package, some in several windows."""

    def make(held_out: list[Question], *, max_seq_len: int) -> SpanObjective:
        return SpanObjective(
            [SquadSource(examples, tokenizer)],
            held_out=held_out,
            tokenizer=tokenizer,
            batch_size=8,
            max_seq_len=max_seq_len,
            seed=0,
        )

    return make


@pytest.mark.parametrize("max_seq_len", [48, 128, 384])
def test_evaluate_answers_as_the_task_decodes(judged, students, max_seq_len):
    student = students["distilbert"]
    held_out = labelled_questions()[::10]
    lengths = (*(each for each in LENGTHS if each < max_seq_len), max_seq_len)
    expected = []
    for encoded in student.encode(held_out, seq_lens=lengths):
        outputs = []
        for window in encoded.rows:
            inputs = {name: torch.tensor(value) for name, value in window.inputs.items()}
            with torch.no_grad():
                given = student.model(**inputs)
            outputs.append({name: given[name].numpy() for name in spans.OUTPUT_NAMES})
        expected.append(spans.decode(encoded, outputs).text)
        assert len(outputs) > 1 or max_seq_len > 48
    made = judged(list(held_out), max_seq_len=max_seq_len)
    shares = [made.evaluate(student.model, part=slice(n, None, 3)) for n in range(3)]
    answers = [shares[number % 3][number // 3][1].text for number in range(len(held_out))]
    assert answers == expected
    reference = score({q.id: text for q, text in zip(held_out, expected, strict=True)}, held_out)
    found = made.score([each for share in shares for each in share])
    assert found == {"exact_match": reference.exact_match, "f1": reference.f1}
    assert made.metric in found


def test_score_keeps_questions_of_one_id_apart(judged, students):
    """Files number their questions, each from the same number on."""
    model = students["distilbert"].model
    labelled = []
    for context in ("The tower was lit by the keeper.", "Rain fell on the island for nine days."):
        asked = Question(id="1", question="Who lit it?", context=context, answers=("zebra",))
        made = judged([asked], max_seq_len=64)
        results = made.evaluate(model, part=slice(None))
        assert made.score(results)["f1"] == 0
        labelled.append(replace(asked, answers=(results[0][1].text,)))
    assert labelled[0].answers != labelled[1].answers
    both = judged(labelled, max_seq_len=64)
    results = both.evaluate(model, part=slice(None))
    assert both.score(results) == {"exact_match": 100, "f1": 100}


def test_score_counts_no_answer_where_the_data_has_it(judged):
    asked = Question(
        id="a", question="Who?", context="Rain fell.", answers=(), may_lack_answer=True
    )
    made = judged([asked], max_seq_len=64)
    for prefers_none, expected in ((True, 100.0), (False, 0.0)):
        answer = Answer(text="Rain", start=0, end=4, score=0.5, prefers_none=prefers_none)
        assert made.score([("0", answer)]) == {"exact_match": expected, "f1": expected}
