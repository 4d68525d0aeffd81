"""Students against Transformers' own computation of the teachers that they are made of."""

import copy
import itertools

import pytest
import torch
import transformers
from torch import nn

from converters.values.errors import InputError
from pipeline.distillation.models import (
    check_fit,
    check_layer_map,
    check_length,
    check_teacher,
    make_student,
    spread_layers,
)
from pipeline.student.load import Checkpoint
from tests.pipeline.distillation.small_data import word_tokenizer

WORDS = word_tokenizer("the keeper lit a lamp")
NUM_LAYERS = 4
CLASSES = {
    "bert": "Bert",
    "electra": "Electra",
    "distilbert": "DistilBert",
    "mobilebert": "MobileBert",
}
HEADS = ("QuestionAnswering", "MaskedLM")
KINDS = ("bert", "electra", "distilbert")


def make(kind: str, head: str, *, seed: int = 0, tokenizer=WORDS, **changes) -> Checkpoint:
    """Returns a checkpoint of four layers, 32 wide, in which no two numbers are equal."""
    torch.manual_seed(seed)
    settings = {
        "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": NUM_LAYERS,
        "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 40,
    }  # fmt: skip
    if kind == "electra":
        settings["embedding_size"] = 32
    if kind == "distilbert":
        names = {
            "hidden_size": "dim", "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads", "intermediate_size": "hidden_dim",
        }  # fmt: skip
        settings = {names.get(name, name): value for name, value in settings.items()}
    name = CLASSES[kind]
    config = getattr(transformers, f"{name}Config")(**(settings | changes))
    network = getattr(transformers, f"{name}For{head}" if head else f"{name}Model")(config)
    for weight in network.parameters():
        nn.init.normal_(weight, mean=float(weight.ndim == 1), std=0.2)
    return Checkpoint(
        name=f"a-{kind}", network=network.eval(), tokenizer=tokenizer, weights_sha256="",
        licence="mit",
    )  # fmt: skip


def student_of(teacher: Checkpoint, *, start=None, layer_map=range(NUM_LAYERS), dropout=0.1):
    return make_student(
        teacher, start=start, layer_map=layer_map, dropout=dropout, attention_dropout=0.2
    ).eval()


def run(network: nn.Module) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    """Returns hidden states and logits for two rows, the second of which is padded."""
    ids = torch.randint(5, 50, (2, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    with torch.no_grad():
        outputs = network(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    logits = [value for name, value in outputs.items() if name.endswith("logits")]
    assert logits
    return outputs.hidden_states, tuple(logits)


def assert_same(network: nn.Module, reference: nn.Module) -> None:
    for found, expected in zip(run(network), run(reference), strict=True):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, atol=2e-5), (one - other).abs().max()


# Which layers a student begins with


@pytest.mark.parametrize(
    ("num_student", "num_teacher", "layers"),
    [
        (6, 12, (0, 2, 4, 7, 9, 11)),
        (3, 6, (0, 2, 5)),
        (3, 12, (0, 6, 11)),
        (2, 12, (0, 11)),
        (1, 12, (11,)),
        (1, 1, (0,)),
        (12, 12, tuple(range(12))),
    ],
)
def test_spread_layers_of_common_sizes(num_student, num_teacher, layers):
    assert spread_layers(num_student=num_student, num_teacher=num_teacher) == layers


def test_spread_layers_rise_from_the_first_to_the_last():
    for num_teacher in range(2, 33):
        for num_student in range(2, num_teacher + 1):
            layers = spread_layers(num_student=num_student, num_teacher=num_teacher)
            assert len(layers) == num_student
            assert (layers[0], layers[-1]) == (0, num_teacher - 1)
            steps = {after - before for before, after in itertools.pairwise(layers)}
            assert min(steps) >= 1
            assert max(steps) - min(steps) <= 1


# Students that start from the teacher


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", KINDS)
def test_student_with_all_layers_computes_what_the_teacher_computes(kind, head):
    teacher = make(kind, head)
    student = student_of(teacher)
    assert type(student).__name__ == f"DistilBertFor{head}"
    assert_same(student, teacher.network)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", KINDS)
def test_student_with_some_layers_computes_what_these_compute(kind, head):
    teacher = make(kind, head)
    cut = copy.deepcopy(teacher.network)
    holder = cut.base_model.transformer if kind == "distilbert" else cut.base_model.encoder
    holder.layer = nn.ModuleList([holder.layer[0], holder.layer[3]])
    cut.config.num_hidden_layers = 2
    assert_same(student_of(teacher, layer_map=(0, 3)), cut)


def test_student_has_the_teachers_activation():
    teacher = make("bert", "MaskedLM", hidden_act="relu")
    assert_same(student_of(teacher), teacher.network)


def test_student_keeps_the_head_tied_to_the_embedding():
    student = student_of(make("bert", "MaskedLM"))
    assert student.vocab_projector.weight is student.distilbert.embeddings.word_embeddings.weight


def test_student_shares_no_weight_with_the_teacher():
    teacher = make("distilbert", "QuestionAnswering")
    before = copy.deepcopy(teacher.network.state_dict())
    student = student_of(teacher)
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(1)
    for name, value in teacher.network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_student_has_the_dropout_that_is_asked_for():
    config = student_of(make("bert", "QuestionAnswering"), dropout=0.3).config
    assert (config.dropout, config.attention_dropout, config.qa_dropout) == (0.3, 0.2, 0.3)


# Students that exist already


@pytest.mark.parametrize("head", HEADS)
def test_student_to_go_on_from_stays_what_it_is(head):
    teacher = make("bert", head)
    start = make("distilbert", head, seed=1, n_layers=2)
    assert_same(student_of(teacher, start=start, layer_map=(1, 3)), start.network)


@pytest.mark.parametrize("other", ["", "MaskedLM", "SequenceClassification"])
def test_student_without_the_head_gets_the_teachers(other):
    teacher = make("bert", "QuestionAnswering")
    start = make("distilbert", other, seed=1, n_layers=2)
    student = student_of(teacher, start=start, layer_map=(1, 3))
    given = start.network.base_model.state_dict()
    for name, value in student.distilbert.state_dict().items():
        assert torch.equal(value, given[name]), name
    for name, value in student.qa_outputs.state_dict().items():
        assert torch.equal(value, teacher.network.qa_outputs.state_dict()[name]), name


def test_student_of_another_width_has_a_head_that_the_seed_decides():
    teacher = make("bert", "QuestionAnswering")
    start = make("distilbert", "", seed=1, n_layers=2, dim=16)
    heads = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        heads.append(student_of(teacher, start=start, layer_map=(1, 3)).qa_outputs.weight)
    assert heads[0].shape == (2, 16)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


# What does not fit


@pytest.mark.parametrize("kind", KINDS)
def test_check_teacher_takes_the_layout_of_bert(kind):
    check_teacher(make(kind, "QuestionAnswering"))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("mobilebert", {}, "a-mobilebert is a mobilebert, whose layers a DistilBERT cannot take"),
        ("electra", {"embedding_size": 16}, "a-electra has embeddings of 16, and layers of 32"),
    ],
)
def test_check_teacher_refuses_other_layouts(kind, changes, message):
    with pytest.raises(InputError, match=message):
        check_teacher(make(kind, "QuestionAnswering", **changes))


@pytest.mark.parametrize("layer_map", [(0,), (3,), (0, 1, 2, 3), (0, 3), (1, 2)])
def test_check_layer_map_takes_rising_layers(layer_map):
    check_layer_map(layer_map, make("bert", "QuestionAnswering"))


@pytest.mark.parametrize(
    ("layer_map", "message"),
    [
        ((), "the layer map  does not rise"),
        ((0, 2, 1), "the layer map 0,2,1 does not rise"),
        ((0, 0, 1), "the layer map 0,0,1 does not rise"),
        ((0, 4), "the layer map names layer 4, and a-bert has 4, counted from 0"),
        ((-1, 0), "the layer map names layer -1, and a-bert has 4, counted from 0"),
    ],
)
def test_check_layer_map_refuses_others(layer_map, message):
    with pytest.raises(InputError, match=message):
        check_layer_map(layer_map, make("bert", "QuestionAnswering"))


@pytest.mark.parametrize(
    ("positions", "max_seq_len", "fits"), [(40, 40, True), (40, 41, False), (44, 41, False)]
)
def test_check_length_counts_the_padding_of_rows(positions, max_seq_len, fits):
    model = make("bert", "QuestionAnswering", max_position_embeddings=positions)
    if fits:
        check_length(model, max_seq_len=max_seq_len)
        return
    with pytest.raises(
        InputError, match=f"a-bert has {positions} positions, and rows of 41 tokens,"
    ):
        check_length(model, max_seq_len=max_seq_len)


OTHER_WORDS = word_tokenizer("the keeper lit a wick")


@pytest.mark.parametrize(
    ("start", "head", "message"),
    [
        (("bert", {}), "QuestionAnswering", "a-bert is a bert, where a DistilBERT is needed"),
        (("distilbert", {"tokenizer": OTHER_WORDS}), "QuestionAnswering",
         r"the vocabularies of a-distilbert and a-bert differ \(50 and 50 entries\)"),
        (("distilbert", {"vocab_size": 56}), "MaskedLM", r"differ \(56 and 50 entries\)"),
        (("distilbert", {"dim": 16}), "QuestionAnswering",
         "a-distilbert is 16 wide and a-bert 32, so the directions of their hidden states cannot"),
        (("distilbert", {"n_layers": 3}), "QuestionAnswering",
         "the layer map has 2 layers, and a-distilbert has 3"),
    ],
    ids=["architecture", "vocabulary", "entries", "width", "layers"],
)  # fmt: skip
def test_check_fit_refuses_a_student_that_cannot_learn_from_the_teacher(start, head, message):
    kind, changes = start
    layers = {} if kind == "bert" else {"n_layers": 2}
    student = make(kind, "QuestionAnswering", **(layers | changes))
    with pytest.raises(InputError, match=message):
        check_fit(student, make("bert", head), layer_map=(0, 3), needs_width=True)


def test_check_fit_takes_another_width_where_no_hidden_states_are_compared():
    student = make("distilbert", "QuestionAnswering", n_layers=2, dim=16, vocab_size=56)
    teacher = make("bert", "QuestionAnswering")
    check_fit(student, teacher, layer_map=(0, 3), needs_width=False)
