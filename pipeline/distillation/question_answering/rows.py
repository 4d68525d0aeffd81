"""Rows to train question answering on: a question over a piece of text, as tokens.

A source draws a fresh row for each example in each epoch: a window of a long SQuAD context, or
another company of sentences for a QAMR one. What it draws depends on nothing but the random
numbers that it is given, so a run that is resumed draws the same.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tokenizers import Tokenizer

from pipeline.tasks.question_answering.spans import cut_question
from pipeline.tokenizer.tokenization import special_id

Span = tuple[int, int]
"""Of tokens, the last one counted in; or of characters, the last one not."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One example, not yet padded.

    Attributes:
        name: Of the example.
        ids: ``[CLS] question [SEP] context [SEP]``.
        first: Position of the first context token.
        spans: The annotators' answers as positions in the row; each counts equally.
    """

    name: str
    ids: list[int]
    first: int
    spans: tuple[Span, ...]


class Source(Protocol):
    """A set of labelled questions."""

    def __len__(self) -> int:
        """Returns how many rows an epoch draws from it."""
        ...

    def draw(self, index: int, *, rng: random.Random, max_seq_len: int) -> Row:
        """Returns a row of at most ``max_seq_len`` tokens that holds an answer."""
        ...


@dataclass(frozen=True, kw_only=True)
class TextTokens:
    """A text's ids, and the characters that each stands for."""

    ids: list[int]
    offsets: list[Span]


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[TextTokens]:
    """Returns each text's tokens, without special ones."""
    return [
        TextTokens(ids=encoding.ids, offsets=encoding.offsets)
        for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)
    ]


def token_span(offsets: Sequence[Span], begin: int, end: int) -> Span | None:
    """Returns the first and last token that touch the characters ``begin`` to ``end``."""
    touched = [i for i, (start, stop) in enumerate(offsets) if stop > begin and start < end]
    return (touched[0], touched[-1]) if touched else None


def make_row(
    name: str,
    *,
    question: list[int],
    context: Sequence[int],
    spans: Sequence[Span],
    max_seq_len: int,
    tokenizer: Tokenizer,
    rng: random.Random,
) -> Row:
    """Returns a row; a context that is too long is cut to a window around the first answer.

    The window begins at random. Other answers count where the window holds them whole; the first
    one is cut if it is longer than the window. A question is cut as when it is asked.

    Args:
        name: Of the example.
        question: Its ids.
        context: Its ids.
        spans: The answers in tokens of the context, the one to be kept first.
        max_seq_len: Tokens in the row at most.
        tokenizer: Knows the special tokens.
        rng: Chooses the window.
    """
    question = cut_question(question, seq_len=max_seq_len)
    room = max_seq_len - len(question) - 3
    begin = 0
    first, last = spans[0]
    if len(context) > room:
        latest = min(first, len(context) - room)
        begin = rng.randint(min(latest, max(0, last - room + 1)), latest)
    window = context[begin : begin + room]
    last = min(last, begin + len(window) - 1)
    whole = [span for span in spans[1:] if span[0] >= begin and span[1] < begin + len(window)]
    cls, sep = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
    start = len(question) + 2
    return Row(
        name=name,
        ids=[cls, *question, sep, *window, sep],
        first=start,
        spans=tuple((start + a - begin, start + b - begin) for a, b in [(first, last), *whole]),
    )
