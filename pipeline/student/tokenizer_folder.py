"""Reads the tokenizer of a model's folder as transformers reads it, or says why not.

Which of its files counts, what a setting of one does to another, what a line of ``vocab.txt`` is:
all that is decided by ``AutoTokenizer`` itself. What it makes is taken if it is a WordPiece
tokenizer that an app can repeat, and refused otherwise. The files, which anyone may have written,
are looked at first: they are no larger than a vocabulary is, and ask for no other tokenizer and no
code.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from itertools import chain
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from converters.values.errors import InputError, first_line
from pipeline.bundle.manifest_parts import MAX_CHARS_PER_WORD, MAX_VOCABULARY
from pipeline.files.json_files import check_size, read_json_object
from pipeline.running.quiet import quiet_transformers
from pipeline.student.config import check_config
from pipeline.tokenizer.tokenization import (
    SPECIAL_TOKENS,
    check_token,
    set_second_type,
    tokenizer_part,
)

MAX_VOCABULARY_BYTES = 50_000_000
"""Of tokenizer.json or vocab.txt: a million tokens take some 40 million bytes of JSON."""
MAX_ADDED_TOKENS = 10_000
"""That are searched for in every text; models with words of their own field have some thousand."""

CLASSES = (
    "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer",
    "PreTrainedTokenizer", "TokenizersBackend",
)  # fmt: skip
"""What a folder may name as its tokenizer, each with or without ``Fast`` behind it."""

_SETTINGS = (
    "config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip
_NOT_FOR_FILES = (
    "vocab", "merges", "tokenizer_object", "gguf_file", "init_inputs", "post_processor",
    "tokenizer_padding", "tokenizer_truncation",
)  # fmt: skip
"""Arguments of transformers' own code, which it would take from ``tokenizer_config.json``, too."""

_TOKEN_SETTINGS = frozenset(
    ("__type", "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special")
)
_NAMES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
_BYTE_ORDER_MARK = "\ufeff"

_FAMILY = "give a student with a tokenizer of the BERT family"
_AGAIN = "download or save it again"
_TRAINED = "give the vocabulary that the model was trained with"


def read_tokenizer(folder: Path) -> Tokenizer:
    """Reads the WordPiece tokenizer of a folder, with truncation and padding switched off.

    Its ids, offsets and token types are those of transformers' ``AutoTokenizer`` of the folder.

    Raises:
        InputError: There is none, it is damaged, or an app could not repeat it.
    """
    path = _check_files(folder)
    try:
        return _read(folder)
    except InputError as err:
        named = err.message if str(folder) in err.message else f"{path}: {err.message}"
        raise InputError(named, hint=err.hint) from err


def _read(folder: Path) -> Tokenizer:
    made = _ask_transformers(folder)
    tokenizer: Tokenizer = made.backend_tokenizer
    # A tokenizer.json may cut and pad on its own account; windows are this project's business.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer = _listed(tokenizer)
    part = tokenizer_part(tokenizer)  # refuses what the manifest could not describe
    if len(part.added_tokens) + len(part.normalized_added_tokens) > MAX_ADDED_TOKENS:
        raise InputError(f"more than {MAX_ADDED_TOKENS:,} tokens are added to it", hint=_TRAINED)
    set_second_type(tokenizer, _second_type(made, part.special_tokens))
    return tokenizer


def _ask_transformers(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet_transformers():
            made = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as err:  # the library checks little, and stumbles over the rest in any way
        missing = "" if (folder / "config.json").is_file() else ", which has no config.json"
        raise InputError(
            f"transformers cannot read the tokenizer of {folder}{missing}: "
            f"{type(err).__name__}: {first_line(err)}",
            hint="save it again with save_pretrained",
        ) from err
    if type(made).__name__.removesuffix("Fast") not in CLASSES:
        raise InputError(f"transformers reads it as a {type(made).__name__}", hint=_FAMILY)
    if made.split_special_tokens:
        raise InputError(
            "tokenizer_config.json sets split_special_tokens, and an app finds special tokens in "
            "any text",
            hint="leave it out, if the model was not trained so",
        )
    for key, name in _NAMES.items():
        if getattr(made, key) not in (None, name):
            raise InputError(
                f"its {key} is {getattr(made, key)!s}, where BERT's is {name}", hint=_FAMILY
            )
    return made


def _second_type(made: Any, special: Mapping[str, int]) -> int:
    """Returns the token type that transformers gives to the second of two texts, and its [SEP].

    Raises:
        InputError: It sets other special tokens around them than BERT's.
    """
    texts = "a", "b"
    first, second = (made(text, add_special_tokens=False)["input_ids"] for text in texts)
    pair = made(*texts)
    cls, sep = special["[CLS]"], special["[SEP]"]
    types = pair.get("token_type_ids", [0] * len(pair["input_ids"]))
    num_first = len(first) + 2
    expected = [0] * num_first + [types[-1]] * (len(second) + 1)
    if pair["input_ids"] != [cls, *first, sep, *second, sep] or types != expected:
        raise InputError(
            f"it makes {pair.tokens()} with types {types} of two texts, where BERT sets [CLS] "
            "before them, [SEP] behind each, and one type for each",
            hint=_FAMILY,
        )
    return int(types[-1])


def _listed(tokenizer: Tokenizer) -> Tokenizer:
    """Returns the tokenizer with exactly one token for each id, as a list of lines has them.

    A line that a later one repeats, or that is blank, has no token: no text becomes its id. What
    takes its place here is none either, for BERT cuts words at brackets.
    """
    pieces = tokenizer.get_vocab(with_added_tokens=False)
    named = {token: index for token, index in tokenizer.get_vocab().items() if token}
    holes = sorted(set(range(max(named.values(), default=0) + 1)) - set(named.values()))
    if not holes and "" not in pieces:
        return tokenizer
    content = json.loads(tokenizer.to_str())
    kept = {token: index for token, index in pieces.items() if token}
    content["model"]["vocab"] = kept | {_unused(index, named): index for index in holes}
    listed = Tokenizer.from_str(json.dumps(content))
    made = listed.get_vocab()
    if any(made.get(token) != index for token, index in named.items()):
        raise InputError(f"no token of the vocabulary has the id {holes[0]}", hint=_TRAINED)
    return listed


def _unused(index: int, taken: Mapping[str, int]) -> str:
    name = f"[no token {index}]"
    while name in taken:
        name += "]"
    return name


def _check_files(folder: Path) -> Path:
    """Looks at all files that transformers would read, and returns that with the vocabulary."""
    packed, vocabulary = folder / "tokenizer.json", folder / "vocab.txt"
    if not packed.is_file() and not vocabulary.is_file():
        raise InputError(
            f"no tokenizer in {folder}", hint="add its tokenizer.json, or its vocab.txt"
        )
    for name in _SETTINGS:
        if (folder / name).is_file():
            _check_settings(folder / name)
    for template in (*folder.glob("chat_template*"), *folder.glob("additional_chat_templates/*")):
        check_size(template, max_bytes=MAX_VOCABULARY_BYTES)
    if packed.is_file():
        _check_packed(packed)
        return packed
    _check_lines(vocabulary)
    return vocabulary


def _check_settings(path: Path) -> None:
    settings = read_json_object(path)
    if path.name == "config.json":
        check_config(settings, path)
    elif path.name == "special_tokens_map.json":
        lists = [value for value in settings.values() if isinstance(value, list)]
        _check_added(chain(settings.values(), *lists), path)
    elif path.name == "tokenizer_config.json":
        decoder = settings.get("added_tokens_decoder")
        _check_added(decoder.values() if isinstance(decoder, dict) else (), path)
        try:
            _check_added(_typed(settings), path)
        except RecursionError as err:
            raise InputError(f"{path} is nested too deeply", hint=_AGAIN) from err
    if path.name not in ("config.json", "tokenizer_config.json"):
        return
    name = settings.get("tokenizer_class")
    if name is not None and str(name).removesuffix("Fast") not in CLASSES:
        raise InputError(
            f"{path} names a {name}, which cuts texts in another way than BERT's tokenizer",
            hint=_FAMILY,
        )
    if path.name == "config.json":
        return
    if settings.get("auto_map"):
        raise InputError(f"{path} asks for a tokenizer with code of its own", hint=_FAMILY)
    for key in _NOT_FOR_FILES:
        if settings.get(key):
            raise InputError(
                f"{path} sets {key}, which is no setting of a BERT tokenizer",
                hint=f"leave out {key}",
            )
    if settings.get("fast_tokenizer_files", ["tokenizer.json"]) != ["tokenizer.json"]:
        raise InputError(
            f"{path} names other files in fast_tokenizer_files than tokenizer.json",
            hint="leave fast_tokenizer_files out",
        )


def _check_packed(path: Path) -> None:
    described = read_json_object(path, max_bytes=MAX_VOCABULARY_BYTES)
    model = described.get("model")
    kind = model.get("type") if isinstance(model, dict) else None
    if not isinstance(model, dict) or kind != "WordPiece":
        raise InputError(
            f"{path} holds a {kind} tokenizer; only WordPiece is supported",
            hint="give a student of the BERT family with its WordPiece vocabulary",
        )
    words, added = model.get("vocab"), described.get("added_tokens")
    if not isinstance(words, dict) or not isinstance(added, list):
        raise InputError(f"{path} holds no vocabulary or no list of added_tokens", hint=_AGAIN)
    _check_number(len(words) + len(added), path)
    _check_added(added, path)
    for word, index in words.items():  # the library would count up to the greatest
        if not isinstance(index, int) or not 0 <= index < MAX_VOCABULARY:
            raise InputError(
                f"{path} gives {word!r} the id {index}, where ids are below {MAX_VOCABULARY}",
                hint=_AGAIN,
            )
    longest = model.get("max_input_chars_per_word", 100)
    if not isinstance(longest, int) or not 1 <= longest <= MAX_CHARS_PER_WORD:
        raise InputError(
            f"{path} cuts words of up to {longest} characters into pieces, where BERT's have 100; "
            f"at most {MAX_CHARS_PER_WORD} are supported",
            hint="set max_input_chars_per_word to the model's own number",
        )


def _check_added(described: Iterable[Any], path: Path) -> None:
    """Refuses settings that the library would not know: it prints their names on stdout."""
    for token in described:
        unknown = token.keys() - _TOKEN_SETTINGS if isinstance(token, dict) else ()
        if unknown:
            raise InputError(
                f"{path} describes an added token by {min(unknown)!r}, which is no setting of one",
                hint=_AGAIN,
            )


def _typed(value: Any) -> Iterator[dict[str, Any]]:
    """Yields what transformers takes for added tokens, however deep it stands."""
    if isinstance(value, dict):
        if "__type" in value:
            yield value
        value = value.values()
    for inner in value if isinstance(value, list | ValuesView) else ():
        yield from _typed(inner)


def _check_lines(path: Path) -> None:
    check_size(path, max_bytes=MAX_VOCABULARY_BYTES)
    content = path.read_bytes()
    _check_number(content.count(b"\n"), path)
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as err:
        raise InputError(
            f"{path} is not UTF-8: {err.reason} at byte {err.start}", hint=_AGAIN
        ) from err
    if lines[0].startswith(_BYTE_ORDER_MARK):
        raise InputError(
            f"{path} begins with a byte order mark, which makes its first token {lines[0]!r}",
            hint="save it as UTF-8 without one",
        )
    vocabulary = {line.rstrip(): index for index, line in enumerate(lines)}
    for token in SPECIAL_TOKENS:
        check_token(token, vocabulary.get(token), where=str(path))


def _check_number(tokens: int, path: Path) -> None:
    if tokens > MAX_VOCABULARY:
        raise InputError(
            f"{path} holds {tokens:,} tokens, where at most {MAX_VOCABULARY:,} are read",
            hint=_TRAINED,
        )
