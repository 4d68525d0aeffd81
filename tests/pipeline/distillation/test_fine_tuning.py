"""Models to be fine-tuned, against Transformers' own computation of the encoders they come from."""

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

from converters.values.errors import InputError
from pipeline.distillation.fine_tuning import make_model, trim_vocabulary
from pipeline.student.load import Checkpoint, load_checkpoint
from tests.students import ARCHITECTURES, make_config, save_tokenizer

FIELDS = {
    "problem_type": "single_label_classification",
    "text_pair": True,
    "id2label": {0: "ham", 1: "spam", 2: "none"},
    "label2id": {"ham": 0, "spam": 1, "none": 2},
}
IDS = torch.randint(5, 700, (2, 12), generator=torch.Generator().manual_seed(1))


def checkpoint(network, tokenizer) -> Checkpoint:
    return Checkpoint(
        name="a", network=network.eval(), tokenizer=tokenizer, weights_sha256="", licence="mit"
    )


def make(encoder, *, suffix="ForSequenceClassification", fields=FIELDS, dropout=0.3):
    return make_model(
        encoder, suffix=suffix, fields=fields, dropout=dropout, attention_dropout=0.4
    ).eval()


def hidden(network):
    with torch.no_grad():
        return network.base_model(input_ids=IDS)[0]


@pytest.mark.parametrize("suffix", ["ForSequenceClassification", "ForQuestionAnswering"])
@pytest.mark.parametrize("opener", [AutoModel, AutoModelForMaskedLM], ids=["bare", "masked-lm"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_model_has_the_encoder_and_a_new_head(kind, opener, suffix, tokenizer):
    torch.manual_seed(0)
    source = opener.from_config(make_config(kind)).eval()
    before = {name: value.clone() for name, value in source.state_dict().items()}
    fields = FIELDS if suffix == "ForSequenceClassification" else {"num_labels": 2}
    model = make(checkpoint(source, tokenizer), suffix=suffix, fields=fields)
    assert type(model).__name__.endswith(suffix)
    assert torch.equal(hidden(model), hidden(source))
    with torch.no_grad():
        outputs = model(input_ids=IDS)
    width = outputs["logits"].shape if "logits" in outputs else outputs["start_logits"].shape
    assert tuple(width) == ((2, 3) if suffix == "ForSequenceClassification" else (2, 12))
    for name, value in source.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_model_has_the_dropout_that_is_asked_for(kind, tokenizer):
    source = AutoModel.from_config(make_config(kind))
    shares = {
        module.p
        for module in make(checkpoint(source, tokenizer)).modules()
        if isinstance(module, torch.nn.Dropout)
    }
    assert shares == {0.3, 0.4}


def test_model_keeps_its_own_head_where_no_other_is_asked_for(tokenizer):
    source = AutoModelForSequenceClassification.from_config(make_config("bert", **FIELDS)).eval()
    model = make(checkpoint(source, tokenizer), fields=None)
    with torch.no_grad():
        assert torch.equal(model(input_ids=IDS).logits, source(input_ids=IDS).logits)
    assert model.config.id2label == FIELDS["id2label"]


def test_encoder_that_was_saved_without_a_pooler_is_loaded(tmp_path, tokenizer):
    torch.manual_seed(0)
    saved = AutoModel.from_config(make_config("bert"), add_pooling_layer=False).eval()
    saved.save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path)
    first, second = (load_checkpoint(str(tmp_path), suffixes=("",)) for _ in range(2))
    assert first.weights_sha256 == second.weights_sha256
    torch.testing.assert_close(hidden(make(first)), hidden(saved), rtol=0, atol=1e-4)


# A smaller vocabulary


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_trimmed_model_computes_the_same_of_the_corpus(kind, tmp_path, tokenizer):
    torch.manual_seed(0)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("Who lit the lamp?\nThe keeper of the island.\n")
    model = make(checkpoint(AutoModel.from_config(make_config(kind)), tokenizer))
    smaller_model = make(checkpoint(model.base_model, tokenizer))
    smaller_model.load_state_dict(model.state_dict())
    smaller = trim_vocabulary(smaller_model, tokenizer, corpus)
    assert smaller.get_vocab_size() < tokenizer.get_vocab_size()
    assert smaller_model.config.vocab_size == smaller.get_vocab_size()
    for line in corpus.read_text().splitlines():
        ids = [torch.tensor([each.encode(line).ids]) for each in (tokenizer, smaller)]
        with torch.no_grad():
            logits = [
                each(input_ids=own).logits
                for each, own in zip((model, smaller_model), ids, strict=True)
            ]
        assert torch.equal(*logits)


def test_trimming_by_a_corpus_of_no_word_is_refused(tmp_path, tokenizer):
    (tmp_path / "corpus.txt").write_text("\n")
    model = make(checkpoint(AutoModel.from_config(make_config("bert")), tokenizer))
    with pytest.raises(InputError, match="the corpus holds no word"):
        trim_vocabulary(model, tokenizer, tmp_path / "corpus.txt")
