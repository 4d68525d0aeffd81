"""Describes and writes a student's WordPiece tokenizer, and makes it again from a bundle."""

import json
import shutil
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from converters.values.errors import InputError
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.on_device.wordpiece import read_vocabulary
from pipeline.tokenizer.unicode_tables import KEPT

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def bundle_tokenizer(folder: Path, part: TokenizerPart) -> Tokenizer:
    """Returns a bundle's tokenizer, made of what every bundle holds: manifest and vocabulary.

    Raises:
        InputError: The vocabulary is absent or damaged.
    """
    words = read_vocabulary(folder / part.vocabulary)
    pieces = {word: index for index, word in enumerate(words[: part.num_pieces])}
    tokenizer = Tokenizer(
        models.WordPiece(
            pieces,
            unk_token="[UNK]",
            continuing_subword_prefix=part.continuing_subword_prefix,
            max_input_chars_per_word=part.max_input_chars_per_word,
        )
    )
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=part.clean_text,
        handle_chinese_chars=part.handle_chinese_chars,
        strip_accents=part.strip_accents,
        lowercase=part.lowercase,
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    added = {**part.added_tokens, **part.normalized_added_tokens}
    tokenizer.add_tokens(
        [
            AddedToken(token, normalized=token in part.normalized_added_tokens)
            for token in sorted(added, key=added.__getitem__)
        ]
    )
    set_second_type(tokenizer, part.second_token_type)
    if tokenizer_part(tokenizer) != part:
        raise InputError(
            f"{folder / part.vocabulary} is not the vocabulary that the manifest describes",
            hint="build the bundle again",
        )
    return tokenizer


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
    added = described["added_tokens"]
    _check_unknown(model)
    _check_vocabulary(tokenizer)
    _check_added(added, tokenizer)
    return TokenizerPart(
        clean_text=normalizer["clean_text"],
        handle_chinese_chars=normalizer["handle_chinese_chars"],
        # Where it is not said, BERT strips accents exactly if it lowers case.
        strip_accents=lowercase if strip is None else strip,
        lowercase=lowercase,
        continuing_subword_prefix=model["continuing_subword_prefix"],
        max_input_chars_per_word=model["max_input_chars_per_word"],
        special_tokens={token: special_id(tokenizer, token) for token in SPECIAL_TOKENS},
        added_tokens=_ids(added, normalized=False),
        normalized_added_tokens=_ids(added, normalized=True),
        num_pieces=len(model["vocab"]),
        second_token_type=second_type(tokenizer),
    )


def second_type(tokenizer: Tokenizer) -> int:
    """Returns the token type of the second of two texts, and of the [SEP] behind it."""
    types: list[int] = tokenizer.encode("", "").type_ids
    return types[-1] if types else 1


def set_second_type(tokenizer: Tokenizer, second_type: int) -> None:
    """Sets BERT's special tokens around one text or two, and the token type of the second."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair=f"[CLS]:0 $A:0 [SEP]:0 $B:{second_type} [SEP]:{second_type}",
        special_tokens=[(token, special_id(tokenizer, token)) for token in ("[CLS]", "[SEP]")],
    )


def _check_unknown(model: dict[str, Any]) -> None:
    if model["unk_token"] != "[UNK]" or "[UNK]" not in model["vocab"]:
        raise InputError(
            f"words that the tokenizer does not know become {model['unk_token']}, where BERT's "
            "become [UNK] of its vocabulary",
            hint="give a student with a tokenizer of the BERT family",
        )


def _check_vocabulary(tokenizer: Tokenizer) -> None:
    """Refuses what a list of tokens, one a line, could not hold."""
    hint = "give the vocabulary that the model was trained with"
    for with_added in (False, True):
        ids = sorted(tokenizer.get_vocab(with_added_tokens=with_added).values())
        hole = next((place for place, index in enumerate(ids) if index != place), None)
        if hole is not None:
            raise InputError(
                f"no token of the vocabulary, or more than one, has the id {hole}: every id up to "
                f"{ids[-1]} needs one",
                hint=f"{hint}, each token once",
            )
    for token in tokenizer.get_vocab():
        if "\n" in token:
            raise InputError(f"the token {token!r} of the vocabulary holds a newline", hint=hint)


def _check_added(described: list[dict[str, Any]], tokenizer: Tokenizer) -> None:
    for token in described:
        for setting in ("single_word", "lstrip", "rstrip"):
            if token[setting]:
                raise InputError(
                    f"the added token {token['content']!r} is {setting}, so its neighbours decide "
                    "where it is found; an app looks at its own letters alone",
                    hint="give a student without such tokens",
                )
    _check_normalized(
        {
            token["content"]: tokenizer.normalizer.normalize_str(token["content"])
            for token in described
            if token["normalized"]
        }
    )


def _check_normalized(made: dict[str, str]) -> None:
    """Refuses added tokens that the library does not find for sure, by what becomes of each."""
    first: dict[str, str] = {}
    for token, text in made.items():
        # Tokenizers 0.23.3 can find nothing again and again then, until memory is full.
        if not text:
            raise InputError(
                f"nothing is left of the added token {token!r} once it is normalized",
                hint="give a student without it",
            )
        # Which of the two it finds, tokenizers 0.23.3 leaves to the order of a table of hashes.
        if text in first:
            raise InputError(
                f"the added tokens {first[text]!r} and {token!r} are the same once normalized, and "
                "which is meant is left to chance",
                hint="give a student with one of them",
            )
        first[text] = token


def _ids(described: list[dict[str, Any]], *, normalized: bool) -> dict[str, int]:
    return {
        token["content"]: token["id"] for token in described if token["normalized"] is normalized
    }


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
    """Writes what a bundle holds of a tokenizer: the model's files and the tables of characters."""
    write_vocabulary(tokenizer, folder)
    shutil.copyfile(KEPT, folder / "unicode.json")


def write_vocabulary(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes ``tokenizer.json``, and ``vocab.txt`` with one token a line in the order of ids."""
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text(vocabulary_text(tokenizer), encoding="utf-8")


def vocabulary_text(tokenizer: Tokenizer) -> str:
    """Returns the vocabulary with one token a line, in the order of ids."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return "".join(f"{token}\n" for token, _ in vocabulary)
