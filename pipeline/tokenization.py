"""Describes and writes a student's WordPiece tokenizer."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from pipeline.errors import InputError
from pipeline.manifest import TokenizerPart

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def tokenizer_part(tokenizer: Tokenizer) -> TokenizerPart:
    """Returns a tokenizer's settings as the manifest states them.

    Raises:
        InputError: It is not BERT's: an app could not repeat it from these settings.
    """
    described: dict[str, Any] = json.loads(tokenizer.to_str())
    normalizer = described.get("normalizer") or {}
    splitter = (described.get("pre_tokenizer") or {}).get("type")
    model = described["model"]
    if normalizer.get("type") != "BertNormalizer" or splitter != "BertPreTokenizer":
        raise InputError(
            f"the tokenizer normalizes with {normalizer.get('type')} and splits with {splitter}; "
            "only BERT's own are supported",
            hint="give a student with a tokenizer of the BERT family",
        )
    lowercase = normalizer["lowercase"]
    strip = normalizer["strip_accents"]
    return TokenizerPart(
        clean_text=normalizer["clean_text"],
        handle_chinese_chars=normalizer["handle_chinese_chars"],
        # Where it is not said, BERT strips accents exactly if it lowers case.
        strip_accents=lowercase if strip is None else strip,
        lowercase=lowercase,
        continuing_subword_prefix=model["continuing_subword_prefix"],
        max_input_chars_per_word=model["max_input_chars_per_word"],
        special_tokens={token: special_id(tokenizer, token) for token in SPECIAL_TOKENS},
    )


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """Returns the id of a special token.

    Raises:
        InputError: The vocabulary lacks it.
    """
    return check_token(token, tokenizer.token_to_id(token), where="the tokenizer's vocabulary")


def check_token(token: str, index: int | None, *, where: str) -> int:
    """Returns the id that a vocabulary gives to a special token.

    Raises:
        InputError: It gives none.
    """
    if index is None:
        raise InputError(
            f"{where} lacks {token}", hint="give the vocabulary that the model was trained with"
        )
    return index


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes ``tokenizer.json``, and ``vocab.txt`` with one token a line in the order of ids."""
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    text = "".join(f"{token}\n" for token, _ in vocabulary)
    (folder / "vocab.txt").write_text(text, encoding="utf-8")
