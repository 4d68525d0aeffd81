"""Reads, describes and writes a student's WordPiece tokenizer."""

import json
import shutil
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from pipeline.errors import InputError, first_line
from pipeline.manifest import MAX_CHARS_PER_WORD, MAX_VOCABULARY, TokenizerPart
from pipeline.on_device.wordpiece import read_vocabulary
from pipeline.unicode_tables import KEPT

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def read_tokenizer(folder: Path) -> Tokenizer:
    """Reads a WordPiece tokenizer from ``tokenizer.json`` or ``vocab.txt``.

    Raises:
        InputError: There is none, it is damaged, or it is of another kind.
    """
    packed, vocabulary = folder / "tokenizer.json", folder / "vocab.txt"
    if packed.is_file():
        tokenizer = _read_packed_tokenizer(packed)
    elif vocabulary.is_file():
        tokenizer = _tokenizer_from_vocabulary(vocabulary)
    else:
        raise InputError(
            f"no tokenizer in {folder}", hint="add its tokenizer.json, or its vocab.txt"
        )
    # A tokenizer.json may cut and pad on its own account; windows are this project's business.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        tokenizer_part(tokenizer)  # refuses what the manifest could not describe
    except InputError as err:
        path = packed if packed.is_file() else vocabulary
        raise InputError(f"{path}: {err.message}", hint=err.hint) from err
    return tokenizer


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
    tokenizer.add_special_tokens(sorted(part.added_tokens, key=part.added_tokens.__getitem__))
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
    _check_unknown(model)
    _check_vocabulary(tokenizer)
    _check_bounds(model)
    return TokenizerPart(
        clean_text=normalizer["clean_text"],
        handle_chinese_chars=normalizer["handle_chinese_chars"],
        # Where it is not said, BERT strips accents exactly if it lowers case.
        strip_accents=lowercase if strip is None else strip,
        lowercase=lowercase,
        continuing_subword_prefix=model["continuing_subword_prefix"],
        max_input_chars_per_word=model["max_input_chars_per_word"],
        special_tokens={token: special_id(tokenizer, token) for token in SPECIAL_TOKENS},
        added_tokens=_added_tokens(described["added_tokens"]),
        num_pieces=len(model["vocab"]),
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


def _check_bounds(model: dict[str, Any]) -> None:
    """Refuses what the manifest of a bundle could not say."""
    for name, number, most in (
        ("max_input_chars_per_word", model["max_input_chars_per_word"], MAX_CHARS_PER_WORD),
        ("number of tokens", len(model["vocab"]), MAX_VOCABULARY),
    ):
        if not 1 <= number <= most:
            raise InputError(
                f"the {name} of the tokenizer is {number:,}; a bundle's is 1 to {most:,}",
                hint="give a student with a tokenizer of the BERT family",
            )


def _added_tokens(described: list[dict[str, Any]]) -> dict[str, int]:
    for token in described:
        for setting in ("single_word", "lstrip", "rstrip", "normalized"):
            if token[setting]:
                raise InputError(
                    f"the added token {token['content']!r} is {setting}; only those that a text "
                    "holds letter by letter are supported",
                    hint=f"set {setting} of it to false in tokenizer.json",
                )
    return {token["content"]: token["id"] for token in described}


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


def _read_packed_tokenizer(path: Path) -> Tokenizer:
    described = read_json_object(path)
    model = described.get("model")
    kind = model.get("type") if isinstance(model, dict) else None
    if not isinstance(model, dict) or kind != "WordPiece":
        raise InputError(
            f"{path} holds a {kind} tokenizer; only WordPiece is supported",
            hint="give a student of the BERT family with its WordPiece vocabulary",
        )
    _check_ids(model.get("vocab"), described.get("added_tokens"), path)
    try:
        return Tokenizer.from_file(str(path))
    except Exception as err:  # the library raises bare Exception on a malformed file
        raise InputError(
            f"{path} cannot be read: {first_line(err)}", hint="download or save it again"
        ) from err


def _check_ids(vocabulary: Any, added: Any, path: Path) -> None:
    """Refuses ids beyond the number of tokens: the library would count up to the greatest."""
    words = vocabulary if isinstance(vocabulary, dict) else {}
    limit = len(words) + (len(added) if isinstance(added, list) else 0)
    for word, index in words.items():
        if not isinstance(index, int) or not 0 <= index < limit:
            raise InputError(
                f"{path} gives {word!r} the id {index}, where there are {limit} tokens",
                hint="download or save it again",
            )


def _tokenizer_from_vocabulary(path: Path) -> Tokenizer:
    settings_path = path.with_name("tokenizer_config.json")
    settings = read_json_object(settings_path) if settings_path.is_file() else {}
    try:
        # Only newlines end a token: other characters that Python calls line ends are tokens.
        words = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as err:
        raise InputError(
            f"{path} is not UTF-8: {err.reason} at byte {err.start}",
            hint="download or save it again",
        ) from err
    if all(word.endswith("\r") for word in words):  # written on Windows
        words = [word[:-1] for word in words]
    vocabulary = {word: index for index, word in enumerate(words)}
    for token in SPECIAL_TOKENS:
        check_token(token, vocabulary.get(token), where=str(path))
    try:
        built = BertWordPieceTokenizer(
            vocab=vocabulary,
            lowercase=settings.get("do_lower_case", True),
            strip_accents=settings.get("strip_accents"),
            handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        )
    except TypeError as err:  # the settings are of the library's own types, or none
        raise InputError(
            f"{settings_path} does not say true or false where it should: {first_line(err)}",
            hint="download or save it again",
        ) from err
    return Tokenizer.from_str(built.to_str())


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads one of a model's settings files.

    Raises:
        InputError: It holds something other than a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    # Python's reader gives up on very deep nesting with an error of its own.
    except (ValueError, RecursionError) as err:
        raise InputError(
            f"{path} is not valid JSON: {err}", hint="download or save it again"
        ) from err
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object", hint="download or save it again")
    return value
