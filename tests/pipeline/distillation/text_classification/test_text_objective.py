import itertools
import json
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults
from pipeline.distillation.held_out import HeldOut
from pipeline.distillation.losses import soft_labels_loss, soft_target_loss
from pipeline.distillation.text_classification.rows import make_rows
from pipeline.distillation.text_classification.text_objective import TextObjective
from pipeline.tasks.text_classification import RULES, TextClassification
from pipeline.tasks.text_classification.labelled import LabelledText
from pipeline.tokenizer.tokenization import set_second_type
from tests.pipeline.distillation.small_data import word_tokenizer

ONE, SEVERAL, NUMBER = "single_label_classification", "multi_label_classification", "regression"
NAMES = ("a", "b", "c")
COUNT = 30
INPUTS = ("input_ids", "attention_mask")


def words():
    return word_tokenizer(" ".join(map(str, range(COUNT))), "lamp")


def labels_of(problem, number):
    """Returns what is said of an example; nothing of each fifth."""
    if number % 5 == 4:
        return {}
    if problem == NUMBER:
        return {"value": float(number)}
    if problem == ONE:
        return {"labels": (NAMES[number % 3],)}
    return {"labels": tuple(NAMES[: number % 4])}


def make(problem=ONE, *, pair=False, batch_size=4, seed=0, count=COUNT, tokenizer=None):
    """Makes an objective over texts of one to eight words."""
    tokenizer = tokenizer or words()
    rules = RULES.model_copy(update={"problem_type": problem, "pair": pair})
    task = TextClassification(rules=rules, labels=() if problem == NUMBER else NAMES)
    examples = [
        LabelledText(
            id=f"x:{number}", text=f"{number}" + " lamp" * (number % 8),
            text_pair="lamp lamp" if pair else None, **labels_of(problem, number),
        )
        for number in range(count)
    ]  # fmt: skip
    rows = make_rows(
        examples, task=task, tokenizer=tokenizer, max_seq_len=16, faults=Faults(allowed=False)
    )
    labelled = [each for each in examples if each.is_labelled]
    held_out = HeldOut(labelled, task=task, tokenizer=tokenizer, input_names=INPUTS, max_seq_len=16)
    return TextObjective(
        rows, held_out=held_out, task=task, tokenizer=tokenizer, batch_size=batch_size, seed=seed
    )


def take(objective, count, start=None):
    return list(itertools.islice(objective.batches(start), count))


def outputs_of(batch, seed):
    generator = torch.Generator().manual_seed(seed)
    return SimpleNamespace(logits=torch.randn(batch.targets.shape, generator=generator) * 2)


def test_batches_give_each_text_at_most_once_an_epoch_and_go_on_from_any_position():
    made = make()
    assert made.batches_per_epoch == 7
    whole = take(made, 14)
    for epoch in range(2):
        names = [name for batch in whole[7 * epoch : 7 * epoch + 7] for name in batch.names]
        assert len(set(names)) == len(names) == 28
    for done, batch in enumerate(whole[:-1]):
        (again,) = take(make(), 1, json.loads(json.dumps(batch.after)))
        assert again.names == whole[done + 1].names
        assert torch.equal(again.inputs["input_ids"], whole[done + 1].inputs["input_ids"])
    assert [batch.names for batch in take(make(seed=1), 14)] != [batch.names for batch in whole]


@pytest.mark.parametrize("pair", [False, True])
def test_batch_masks_padding_and_types_the_second_text(pair):
    for batch in take(make(pair=pair), 7):
        ids, mask, types = (batch.inputs[name] for name in (*INPUTS, "token_type_ids"))
        assert torch.equal(ids == 0, mask == 0)
        seconds = types.sum(1)
        assert seconds.tolist() == [3 * pair] * 4
        for row in range(4):
            last = int(mask[row].sum())
            assert types[row, last - int(seconds[row]) : last].all()


def test_batch_has_one_token_type_where_the_tokenizer_gives_one():
    tokenizer = words()
    set_second_type(tokenizer, 0)
    for batch in take(make(pair=True, tokenizer=tokenizer), 7):
        assert not batch.inputs["token_type_ids"].any()


def test_fewer_texts_than_a_batch_takes_are_refused():
    with pytest.raises(InputError, match="holds 3 examples, and a batch takes 4"):
        make(count=3)


# What is minimized


@pytest.mark.parametrize("problem", [ONE, SEVERAL, NUMBER])
def test_hard_loss_is_the_mean_over_what_is_labelled(problem):
    (batch,) = take(make(problem, batch_size=COUNT), 1)
    outputs = outputs_of(batch, 0)
    known = [row for row, name in enumerate(batch.names) if int(name[2:]) % 5 != 4]
    assert len(known) == 24
    logits, targets = outputs.logits[known], batch.targets[known]
    expected = {
        ONE: lambda: functional.cross_entropy(logits, targets.argmax(1)),
        SEVERAL: lambda: functional.binary_cross_entropy_with_logits(logits, targets),
        NUMBER: lambda: functional.mse_loss(logits, targets),
    }[problem]()
    made = make(problem)
    found = made.hard_loss(outputs, batch) / made.num_terms(batch)["hard"]
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("problem", [ONE, SEVERAL, NUMBER])
def test_hard_loss_of_a_batch_without_labels_is_zero(problem):
    made = make(problem, batch_size=1)
    unlabelled = next(each for each in made.batches(None) if int(each.names[0][2:]) % 5 == 4)
    assert made.hard_loss(outputs_of(unlabelled, 0), unlabelled).item() == 0
    assert made.num_terms(unlabelled)["hard"] == 1


@pytest.mark.parametrize("problem", [ONE, SEVERAL, NUMBER])
def test_soft_loss_is_the_mean_over_all_texts_with_a_label_or_without(problem):
    (batch,) = take(make(problem, batch_size=COUNT), 1)
    student, teacher = outputs_of(batch, 0), outputs_of(batch, 1)
    both = {"student": student.logits, "teacher": teacher.logits, "temperature": 3.0}
    expected = {
        ONE: lambda: soft_target_loss(**both) / COUNT,
        SEVERAL: lambda: soft_labels_loss(**both) / (COUNT * 3),
        NUMBER: lambda: functional.mse_loss(student.logits, teacher.logits),
    }[problem]()
    made = make(problem)
    found = made.soft_loss(student, teacher, batch, temperature=3.0) / made.num_terms(batch)["soft"]
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


# How it is judged


@pytest.mark.parametrize(
    ("problem", "metric"), [(ONE, "accuracy"), (SEVERAL, "micro_f1"), (NUMBER, "pearson")]
)
def test_scores_are_those_of_the_task_whatever_the_shares(problem, metric):
    made = make(problem)

    class Oracle(torch.nn.Module):
        """Says what is labelled, by the number that a text begins with."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids, attention_mask):
            said = []
            for ids in input_ids.tolist():
                given = labels_of(problem, int(words().id_to_token(ids[1])))
                if problem == NUMBER:
                    said.append([given["value"]])
                else:
                    said.append([1.0 if name in given["labels"] else -1.0 for name in NAMES])
            return SimpleNamespace(logits=torch.tensor(said))

    shares = [made.evaluate(Oracle(), part=slice(number, None, 3)) for number in range(3)]
    found = made.score([each for share in shares for each in share])
    assert made.metric == metric == next(iter(found))
    assert found[metric] == pytest.approx(100)
