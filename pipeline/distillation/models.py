"""Makes a student of the DistilBERT architecture out of a teacher's own layers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from converters.values.errors import InputError
from pipeline.distillation.objective import PAD_MULTIPLE, padded_len
from pipeline.student.load import Checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

BERT_LAYOUT = ("bert", "electra", "distilbert")
"""Encoders whose layers hold the same tensors as DistilBERT's."""

_OWN = "distilbert"
"""Where a student with a head keeps its encoder."""

STUDENT_INPUTS = ("input_ids", "attention_mask")
"""Of a DistilBERT."""

_LAYER = {
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}
_MASKED_LM_HEAD = {
    "vocab_transform": "cls.predictions.transform.dense",
    "vocab_layer_norm": "cls.predictions.transform.LayerNorm",
}
"""DistilBERT's names of the parts of a layer and of the masked-LM head, and BERT's."""

_ELECTRA_HEAD = {
    "vocab_transform": "generator_predictions.dense",
    "vocab_layer_norm": "generator_predictions.LayerNorm",
    "vocab_projector": "generator_lm_head",
}


def spread_layers(*, num_student: int, num_teacher: int) -> tuple[int, ...]:
    """Returns the teacher's layers that a student starts from: spread evenly, ends included.

    For 6 of 12 these are 0, 2, 4, 7, 9 and 11, as in the authors' ``extract_distilbert.py``.
    """
    if num_student == 1:
        return (num_teacher - 1,)
    span = num_teacher - 1
    return tuple(round(i * span / (num_student - 1)) for i in range(num_student))


def check_teacher(teacher: Checkpoint) -> None:
    """Raises InputError where a teacher's layers are not those that a student can start from."""
    config = teacher.network.config
    if config.model_type not in BERT_LAYOUT:
        raise InputError(
            f"{teacher.name} is a {config.model_type}, whose layers a DistilBERT cannot take over",
            hint=f"give a teacher of the layout of BERT: {', '.join(BERT_LAYOUT)}",
        )
    if getattr(config, "embedding_size", config.hidden_size) != config.hidden_size:
        raise InputError(
            f"{teacher.name} has embeddings of {config.embedding_size}, and layers "
            f"of {config.hidden_size}",
            hint="give a teacher whose embeddings are as wide as its layers",
        )


def check_layer_map(layer_map: Sequence[int], teacher: Checkpoint) -> None:
    """Raises InputError where a layer map names layers that the teacher has not."""
    available = teacher.network.config.num_hidden_layers
    if not layer_map or list(layer_map) != sorted(set(layer_map)):
        raise InputError(
            f"the layer map {','.join(map(str, layer_map))} does not rise",
            hint="name each of the teacher's layers at most once, from the first to the last",
        )
    absent = [layer for layer in layer_map if not 0 <= layer < available]
    if absent:
        raise InputError(
            f"the layer map names layer {absent[0]}, and {teacher.name} has "
            f"{available}, counted from 0",
            hint=f"give layers between 0 and {available - 1}",
        )


def check_length(model: Checkpoint, *, max_seq_len: int) -> None:
    """Raises InputError where rows are longer than a model has positions."""
    available = model.network.config.max_position_embeddings
    needed = padded_len(max_seq_len)
    if needed > available:
        raise InputError(
            f"{model.name} has {available} positions, and rows of {max_seq_len} tokens, padded to "
            f"{needed}, need more",
            hint=f"give --max-seq-len {available // PAD_MULTIPLE * PAD_MULTIPLE} or less",
        )


def check_fit(
    student: Checkpoint, teacher: Checkpoint, *, layer_map: Sequence[int], needs_width: bool
) -> None:
    """Raises InputError where a student that exists already cannot learn from a teacher."""
    own, others = student.network.config, teacher.network.config
    if own.model_type != "distilbert":
        raise InputError(
            f"{student.name} is a {own.model_type}, where a DistilBERT is needed",
            hint="leave --student out to start from the teacher's own layers",
        )
    compares_words = "MaskedLM" in type(teacher.network).__name__
    if student.tokenizer.get_vocab() != teacher.tokenizer.get_vocab() or (
        compares_words and own.vocab_size != others.vocab_size
    ):
        raise InputError(
            f"the vocabularies of {student.name} and {teacher.name} differ "
            f"({own.vocab_size:,} and {others.vocab_size:,} entries)",
            hint="give a teacher and a student with one vocabulary",
        )
    if needs_width and own.hidden_size != others.hidden_size:
        raise InputError(
            f"{student.name} is {own.hidden_size} wide and {teacher.name} {others.hidden_size}, "
            "so the directions of their hidden states cannot be compared",
            hint="give --cosine-weight 0, or a student as wide as its teacher",
        )
    if len(layer_map) != own.num_hidden_layers:
        raise InputError(
            f"the layer map has {len(layer_map)} layers, and {student.name} has "
            f"{own.num_hidden_layers}",
            hint="name one of the teacher's layers for each of the student's",
        )


def make_student(
    teacher: Checkpoint,
    *,
    start: Checkpoint | None,
    layer_map: Sequence[int],
    dropout: float,
    attention_dropout: float,
) -> "PreTrainedModel":
    """Returns a DistilBERT with the teacher's embeddings, chosen layers and head.

    DistilBERT knows no token types: the embedding of type 0 is added into the positions.

    Args:
        teacher: Of the layout of BERT, with a masked-LM head or one of a task.
        start: A DistilBERT whose encoder, and head if it is of this kind, are taken instead.
        layer_map: The teacher's layers to take, from 0.
        dropout: On the student's hidden states.
        attention_dropout: On its attention probabilities.
    """
    import transformers

    source = start or teacher
    layers = range(source.network.config.num_hidden_layers) if start else layer_map
    config = transformers.DistilBertConfig(
        **_sizes(source.network.config),
        n_layers=len(layers),
        dropout=dropout,
        attention_dropout=attention_dropout,
        qa_dropout=dropout,
        seq_classif_dropout=dropout,
        **_labels(teacher.network.config),
    )
    head = type(teacher.network).__name__.partition("For")[2]
    student = getattr(transformers, f"DistilBertFor{head}")(config)
    taken = _encoder(source.network, layers) | _head(teacher.network)
    if source.network.config.id2label == teacher.network.config.id2label:
        taken |= _head(source.network)
    own = student.state_dict()
    fitting = {
        name: value
        for name, value in taken.items()
        if name in own and own[name].shape == value.shape
    }
    student.load_state_dict(own | fitting)
    student.tie_weights()
    return student  # type: ignore[no-any-return]


def _sizes(config: "PreTrainedConfig") -> dict[str, Any]:
    if config.model_type == "distilbert":
        feed_forward, activation = config.hidden_dim, config.activation
    else:
        feed_forward, activation = config.intermediate_size, config.hidden_act
    return {
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.max_position_embeddings,
        "dim": config.hidden_size,
        "n_heads": config.num_attention_heads,
        "hidden_dim": feed_forward,
        "activation": activation,
        "initializer_range": config.initializer_range,
        "pad_token_id": config.pad_token_id,
    }


def _labels(config: "PreTrainedConfig") -> dict[str, Any]:
    """Returns what a head's outputs mean, which a student has of its teacher."""
    told = ("id2label", "label2id", "problem_type", "text_pair")
    return {name: getattr(config, name) for name in told if getattr(config, name, None) is not None}


def _encoder(network: "PreTrainedModel", layers: Sequence[int]) -> dict[str, Tensor]:
    """Returns an encoder's weights, of some of its layers, under DistilBERT's names."""
    given = network.base_model.state_dict()
    kind = network.config.model_type
    positions = given["embeddings.position_embeddings.weight"]
    if kind != "distilbert":
        positions = positions + given["embeddings.token_type_embeddings.weight"][0]
    taken = {
        f"{_OWN}.embeddings.word_embeddings.weight": given["embeddings.word_embeddings.weight"],
        f"{_OWN}.embeddings.position_embeddings.weight": positions,
    }
    renamed = {f"{_OWN}.embeddings.LayerNorm": "embeddings.LayerNorm"}
    for number, layer in enumerate(layers):
        for name, bert_name in _LAYER.items():
            renamed[f"{_OWN}.transformer.layer.{number}.{name}"] = (
                f"transformer.layer.{layer}.{name}"
                if kind == "distilbert"
                else f"encoder.layer.{layer}.{bert_name}"
            )
    return taken | _renamed(given, renamed)


def _head(network: "PreTrainedModel") -> dict[str, Tensor]:
    """Returns a head's weights under DistilBERT's names; none where DistilBERT's is another.

    A classifier of BERT's stands on a tanh of the first token, and DistilBERT's on a ReLU.
    """
    given = network.state_dict()
    if "pre_classifier.weight" in given:
        return _renamed(given, {name: name for name in ("pre_classifier", "classifier")})
    if "qa_outputs.weight" in given:
        return _renamed(given, {"qa_outputs": "qa_outputs"})
    if "vocab_transform.weight" in given:
        return _renamed(given, {name: name for name in [*_MASKED_LM_HEAD, "vocab_projector"]})
    if "generator_lm_head.weight" in given:
        return _renamed(given, _ELECTRA_HEAD)
    if "cls.predictions.bias" not in given:
        return {}
    return _renamed(given, _MASKED_LM_HEAD) | {
        "vocab_projector.weight": given["cls.predictions.decoder.weight"],
        "vocab_projector.bias": given["cls.predictions.bias"],
    }


def _renamed(given: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Returns weights and biases under new names, by the names that they have."""
    return {
        f"{new}.{part}": given[f"{old}.{part}"]
        for new, old in names.items()
        for part in ("weight", "bias")
    }
