"""Drops the WordPiece entries that a corpus never needs, and their rows of the embedding.

What is guaranteed of the smaller vocabulary, for any student that can be trimmed:

1. The corpus is cut into the same pieces as before, and what was unknown in it still is. Its logits
   are the same numbers, as the embedding's rows that are left are the same.
2. Any other text may be cut into shorter pieces, but its words are known or unknown as before.

``pieces_to_keep`` says why both hold.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from torch import nn

from converters.values.errors import InputError
from pipeline.student.load import Student
from pipeline.tasks.task import Task
from pipeline.tokenizer.tokenization import SPECIAL_TOKENS, special_id, tokenizer_part

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFIX = "##"
"""What a piece begins with that continues a word."""


@dataclass(frozen=True, kw_only=True)
class Trimming:
    """What trimming a vocabulary has saved.

    Attributes:
        num_pieces: Of the vocabulary that is left, special tokens counted in.
        num_pieces_before: Of the student's own vocabulary.
        num_weights_saved: Weights of the embedding that are gone.
    """

    num_pieces: int
    num_pieces_before: int
    num_weights_saved: int


def trim(student: Student, corpus: Path) -> tuple[Student, Trimming]:
    """Returns a student with no more vocabulary than a corpus and the fallback characters need.

    Args:
        student: Is left as it is.
        corpus: As ``read_corpus`` takes it.

    Raises:
        InputError: The corpus cannot be read or holds no word, or the vocabulary is of another kind
            than BERT's.
    """
    check_trimmable(student.tokenizer)
    kept = pieces_to_keep(student.tokenizer, read_corpus(corpus, task=student.task))
    trimmed = to_vocabulary(student, trim_tokenizer(student.tokenizer, kept))
    return trimmed, Trimming(
        num_pieces=trimmed.tokenizer.get_vocab_size(),
        num_pieces_before=student.tokenizer.get_vocab_size(),
        num_weights_saved=_num_weights(student) - _num_weights(trimmed),
    )


def check_trimmable(tokenizer: Tokenizer) -> None:
    """Raises InputError where a vocabulary is of another kind than BERT's."""
    prefix = tokenizer_part(tokenizer).continuing_subword_prefix
    if prefix != PREFIX:
        raise InputError(
            f"pieces of this vocabulary continue a word with {prefix!r}; only those that do so "
            f"with {PREFIX} can be trimmed",
            hint="leave out --trim-vocab",
        )


def read_corpus(path: Path, *, task: Task) -> Iterator[str]:
    """Yields the texts of a corpus.

    Args:
        path: A file whose name ends as those of the task's examples do holds such examples, of
            which all texts count. Any other is UTF-8 text, and streams a line at a time.
        task: The student's.

    Raises:
        InputError: It is absent, a folder, binary, not UTF-8, or examples in another layout.
    """
    if path.suffix.lower() in task.EXAMPLE_ENDINGS:
        yield from task.read_texts(path)
    else:
        yield from read_lines(path)


def read_lines(path: Path) -> Iterator[str]:
    """Yields the lines of a text file, which streams from the disk.

    Args:
        path: UTF-8.

    Raises:
        InputError: It is absent, a folder, binary, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield _decode(line, where=f"{path}, line {number},")
    except (FileNotFoundError, IsADirectoryError) as err:
        raise InputError(f"no corpus {path}", hint="give a text file, or SQuAD JSON") from err


def pieces_to_keep(tokenizer: Tokenizer, texts: Iterable[str]) -> set[str]:
    """Returns the pieces that guarantee what this module promises.

    These are the special tokens; every piece that the texts are cut into; every character of the
    vocabulary, ``x`` and ``##x``; and those of ``_without_fallback``. More would do no harm.

    WordPiece takes the longest piece of its vocabulary at each position of a word, and knows a word
    only if it finds one at each. A piece that was the longest of all is the longest of those that
    are left; so words of the texts that are known keep their pieces, one after the other.

    For words to be known or unknown as before, call a character tangled if a piece of
    ``_without_fallback`` holds it, and cut a word where tangled characters and others meet. No
    piece holds both kinds, so none crosses a cut, and each part is known or unknown on its own:

    - All the pieces of a tangled part are kept: it is cut as it was.
    - Any other part is known, before and after, exactly if each of its characters has a piece of
      its own, ``x`` at the start of a word and ``##x`` elsewhere. Where all have one, there is a
      match at each position; and a longer piece over a character that has none would be one of
      ``_without_fallback``.

    Args:
        tokenizer: Truncation switched off.
        texts: Are read once, one after the other.

    Raises:
        InputError: The texts hold no word.
    """
    ids: set[int] = set()
    for text in texts:
        ids.update(tokenizer.encode(text, add_special_tokens=False).ids)
    if not ids:
        raise InputError(
            "the corpus holds no word", hint="give text such as the student is to read"
        )
    vocabulary = tokenizer.get_vocab()
    kept = {piece for piece, index in vocabulary.items() if index in ids}
    kept |= {piece for piece in vocabulary if len(_spell(piece)) == 1}
    kept |= {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    kept |= {*SPECIAL_TOKENS, "[MASK]"} & vocabulary.keys()
    return kept | _without_fallback(tokenizer)


def trim_tokenizer(tokenizer: Tokenizer, kept: set[str]) -> Tokenizer:
    """Returns a tokenizer of fewer pieces, numbered from 0 in the order that they had.

    Args:
        tokenizer: Is left as it is.
        kept: Pieces of its vocabulary, all of its special tokens among them.
    """
    content = json.loads(tokenizer.to_str())
    before = content["model"]["vocab"]
    pieces = sorted(kept & before.keys(), key=before.__getitem__)
    ids = {piece: index for index, piece in enumerate(pieces)}
    content["model"]["vocab"] = dict(ids)
    for token in sorted(content["added_tokens"], key=lambda token: token["id"]):
        # Those that are no piece of the model come after all that are.
        token["id"] = ids.setdefault(token["content"], len(ids))
    _renumber(content["post_processor"] or {}, ids)
    return Tokenizer.from_str(json.dumps(content))


def to_vocabulary(student: Student, tokenizer: Tokenizer) -> Student:
    """Returns a student that reads with a tokenizer of fewer pieces than its own.

    The embedding keeps the rows of the pieces that are left, in their new order; nothing else is
    changed. ``weights_sha256`` stays that of the weights that were loaded, by which the student is
    found again.

    Args:
        student: Is left as it is, and is returned itself if it has this vocabulary already.
        tokenizer: Its ids are consecutive from 0.

    Raises:
        InputError: The tokenizer has a piece that the student lacks.
    """
    before, after = student.tokenizer.get_vocab(), tokenizer.get_vocab()
    if after == before:
        return student
    if lacking := sorted(after.keys() - before.keys()):
        raise InputError(
            f"the vocabulary of {student.name} lacks {lacking[0]!r}",
            hint="give the student with the vocabulary that it was trained with",
        )
    model = copy.deepcopy(student.model)
    trim_embedding(model, before=student.tokenizer, after=tokenizer)
    return replace(student, model=model, tokenizer=tokenizer)


def trim_embedding(model: "PreTrainedModel", *, before: Tokenizer, after: Tokenizer) -> None:
    """Leaves a model the rows of its embedding that a smaller vocabulary has, in its order.

    Args:
        model: Is changed.
        before: The tokenizer that it was trained with.
        after: Its pieces are all among those; its ids are consecutive from 0.
    """
    places, pieces = before.get_vocab(), after.get_vocab()
    rows = torch.tensor([places[piece] for piece in sorted(pieces, key=pieces.__getitem__)])
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, nn.Embedding)
    weight = embedding.weight.detach()[rows]  # (pieces, width)
    pad = special_id(after, "[PAD]")
    smaller = nn.Embedding(len(rows), weight.shape[1], padding_idx=pad, _weight=weight)
    model.set_input_embeddings(smaller.train(embedding.training))
    model.config.vocab_size = len(rows)
    model.config.pad_token_id = pad


def _without_fallback(tokenizer: Tokenizer) -> set[str]:
    """Returns the pieces that single characters cannot stand in for, and all that touch them.

    Where ``abc`` is a piece and ``##c`` is none, only longer pieces lead over that ``c``, and which
    of them WordPiece meets is decided by all that it took before. So each piece that shares a
    character with such a one is kept, and each that shares one with those, and so on. Where a
    vocabulary grew from single characters, as in training, it has no such piece.
    """
    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    # BERT cuts words at punctuation, so that nothing is ever cut into pieces such as [unused1].
    split = tokenizer.pre_tokenizer.pre_tokenize_str
    within_words = [piece for piece in vocabulary if len(split(_text(piece))) == 1]
    kept = {piece for piece in within_words if not vocabulary.keys() >= set(_spell(piece))}
    size = -1
    while len(kept) > size:
        size = len(kept)
        tangled = {character for piece in kept for character in _text(piece)}
        kept = {piece for piece in within_words if not tangled.isdisjoint(_text(piece))}
    return kept


def _text(piece: str) -> str:
    return piece.removeprefix(PREFIX) or piece


def _spell(piece: str) -> list[str]:
    """Returns the single-character pieces that stand for the same text at the same place."""
    text = _text(piece)
    continued = [PREFIX + character for character in text]
    return continued if text != piece else [text[:1], *continued[1:]]


def _renumber(processor: dict[str, Any], ids: Mapping[str, int]) -> None:
    """Gives new ids to the special tokens that are set around a text."""
    for part in processor.get("processors", [processor]):
        for special in part.get("special_tokens", {}).values():  # TemplateProcessing
            special["ids"] = [ids[token] for token in special["tokens"]]
        for name in {"cls", "sep"} & part.keys():  # BertProcessing
            token = part[name][0]
            part[name] = [token, ids[token]]


def _decode(line: bytes, *, where: str) -> str:
    if b"\0" in line:
        raise InputError(f"{where} holds NUL: it is no text", hint="give a UTF-8 text file")
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise InputError(
            f"{where} is not UTF-8: {err.reason} at byte {err.start}", hint="save it as UTF-8"
        ) from err


def _num_weights(student: Student) -> int:
    return sum(weight.numel() for weight in student.model.parameters())
