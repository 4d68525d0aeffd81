"""Makes random students of two layers, saved as Hugging Face saves them."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    DistilBertConfig,
    DistilBertForQuestionAnswering,
    ElectraConfig,
    ElectraForQuestionAnswering,
    MobileBertConfig,
    MobileBertForQuestionAnswering,
    PreTrainedConfig,
    PreTrainedModel,
)

ARCHITECTURES = ("distilbert", "bert", "mobilebert", "electra")
VOCABULARY = Path(__file__).with_name("vocab.txt")
VOCABULARY_SIZE = 800
NUM_POSITIONS = 512


def read_tokenizer() -> Tokenizer:
    """Returns a WordPiece tokenizer for the package's own questions.

    Its vocabulary was trained on them once, and kept: the trainer breaks ties by chance, and each
    run of the tests would have another.
    """
    return Tokenizer.from_str(BertWordPieceTokenizer.from_file(str(VOCABULARY)).to_str())


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes ``tokenizer.json``, ``vocab.txt`` and ``tokenizer_config.json``."""
    tokenizer.save(str(folder / "tokenizer.json"))
    words = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))


def make_model(
    architecture: str,
    *,
    seed: int = 0,
    width: int = 64,
    num_layers: int = 2,
    num_heads: int = 4,
    spread: float = 0.2,
) -> PreTrainedModel:
    """Returns a random question-answering model in fp32.

    Its weights are large for random ones, so that its logits differ from token to token.

    Args:
        architecture: One of ``ARCHITECTURES``.
        seed: Of its weights.
        width: Of its hidden states.
        num_layers: Of its encoder.
        num_heads: Of each layer's attention.
        spread: Standard deviation of its weights; MobileBERT has less.
    """
    torch.manual_seed(seed)
    config = make_config(
        architecture, width=width, num_layers=num_layers, num_heads=num_heads, spread=spread
    )
    classes: dict[str, type[PreTrainedModel]] = {
        "distilbert": DistilBertForQuestionAnswering,
        "bert": BertForQuestionAnswering,
        "mobilebert": MobileBertForQuestionAnswering,
        "electra": ElectraForQuestionAnswering,
    }
    return classes[architecture](config).eval()


def make_config(
    architecture: str,
    *,
    width: int = 64,
    num_layers: int = 2,
    num_heads: int = 4,
    spread: float = 0.2,
    **stated: Any,
) -> PreTrainedConfig:
    """Returns the configuration of a small encoder; the arguments are those of ``make_model``.

    Args:
        stated: Added to it.
    """
    shared = {
        "vocab_size": VOCABULARY_SIZE, "max_position_embeddings": NUM_POSITIONS, **stated,
    }  # fmt: skip
    if architecture == "distilbert":
        return DistilBertConfig(
            **shared,
            dim=width,
            n_layers=num_layers,
            n_heads=num_heads,
            hidden_dim=2 * width,
            initializer_range=spread,
        )
    shared |= {
        "hidden_size": width, "num_hidden_layers": num_layers,
        "num_attention_heads": num_heads, "intermediate_size": 2 * width,
        "initializer_range": spread,
    }  # fmt: skip
    if architecture == "bert":
        return BertConfig(**shared)
    if architecture == "electra":
        return ElectraConfig(**shared, embedding_size=32)
    # It has no layer norms to tame its sums, which int8 would drown in noise.
    shared["initializer_range"] = 0.4 * spread
    return MobileBertConfig(
        **shared, embedding_size=32, intra_bottleneck_size=32, num_feedforward_networks=2
    )


def vary_norms_and_biases(model: PreTrainedModel, *, seed: int = 0) -> None:
    """Gives norms and biases values, which are all ones and zeros in a model of no training."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.3, generator=random)
            elif "norm" in name.lower():
                parameter.uniform_(0.5, 1.5, generator=random)


def save_student(architecture: str, folder: Path, *, tokenizer: Tokenizer, seed: int = 0) -> Path:
    """Writes a whole student, and returns its folder."""
    make_model(architecture, seed=seed).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder
