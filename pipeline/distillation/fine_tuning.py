"""Gives an encoder the head of a task, to be trained on labels alone."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from pipeline.student.load import Checkpoint
from pipeline.student.trim import (
    check_trimmable,
    pieces_to_keep,
    read_lines,
    trim_embedding,
    trim_tokenizer,
)

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

_DROPOUT = (
    "hidden_dropout_prob", "classifier_dropout", "summary_last_dropout",
    "dropout", "qa_dropout", "seq_classif_dropout",
)  # fmt: skip
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
"""What configurations call the shares of what is dropped, of hidden states and of attention."""


def make_model(
    encoder: Checkpoint,
    *,
    suffix: str,
    fields: Mapping[str, Any] | None,
    dropout: float,
    attention_dropout: float,
) -> "PreTrainedModel":
    """Returns a model of the encoder's own architecture with the head of a task.

    Args:
        encoder: Of any head or none; it is left as it is.
        suffix: How the architecture is to end, such as ``ForSequenceClassification``.
        fields: Of the configuration, for a head that begins at random; None keeps the encoder's.
        dropout: On hidden states.
        attention_dropout: On attention probabilities.
    """
    import transformers

    config = copy.deepcopy(encoder.network.config)
    for name, value in (fields or {}).items():
        setattr(config, name, value)
    _set(config, _DROPOUT, dropout)
    _set(config, _ATTENTION_DROPOUT, attention_dropout)
    model = getattr(transformers, f"AutoModel{suffix}").from_config(config)
    if fields is None:
        model.load_state_dict(encoder.network.state_dict())
        return model  # type: ignore[no-any-return]
    given, own = encoder.network.base_model.state_dict(), model.base_model.state_dict()
    model.base_model.load_state_dict({name: given.get(name, own[name]) for name in own})
    return model  # type: ignore[no-any-return]


def trim_vocabulary(network: "PreTrainedModel", tokenizer: Tokenizer, corpus: Path) -> Tokenizer:
    """Returns a tokenizer of the pieces that a corpus needs, and drops the others of a network.

    Args:
        network: Its embedding is changed.
        tokenizer: The network's; it is left as it is.
        corpus: UTF-8 text, of which a trimmed vocabulary keeps what ``pieces_to_keep`` says.

    Raises:
        InputError: The corpus cannot be read or holds no word, or the vocabulary is of another kind
            than BERT's.
    """
    check_trimmable(tokenizer)
    smaller = trim_tokenizer(tokenizer, pieces_to_keep(tokenizer, read_lines(corpus)))
    trim_embedding(network, before=tokenizer, after=smaller)
    return smaller


def _set(config: "PreTrainedConfig", names: tuple[str, ...], value: float) -> None:
    for name in names:
        if getattr(config, name, None) is not None:
            setattr(config, name, value)
