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

NO_ANSWER: Span = (0, 0)
"""In a row: the [CLS] token, as SQuAD 2.0's models point at it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One example, not yet padded.

    Attributes:
        name: Of the example.
        ids: ``[CLS] question [SEP] context [SEP]``.
        first: Position of the first context token.
        spans: The annotators' answers as positions in the row; each counts equally. Where the row
            holds no answer, the [CLS] token alone.
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
        """Returns a row of at most ``max_seq_len`` tokens that holds an answer.

        A question that is known to have none gets one without.
        """
        ...

    def draw_without_answer(
        self, index: int, *, rng: random.Random, max_seq_len: int
    ) -> Row | None:
        """Returns the question over a text that lies near its own and does not answer it.

        None where there is no such text.
        """
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
    one is cut if it is longer than the window. A question is cut as when it is asked. Without a
    span the row has no answer, and may be cut anywhere.

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
    begin = _begin(spans, room=room, num_tokens=len(context), rng=rng)
    window = context[begin : begin + room]
    cls, sep = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
    start = len(question) + 2
    return Row(
        name=name,
        ids=[cls, *question, sep, *window, sep],
        first=start,
        spans=tuple(
            (start + first - begin, start + last - begin)
            for first, last in _in_window(spans, begin, begin + len(window))
        )
        or (NO_ANSWER,),
    )


def _begin(spans: Sequence[Span], *, room: int, num_tokens: int, rng: random.Random) -> int:
    """Returns where a window of at most ``room`` tokens begins that holds the first span."""
    if num_tokens <= room:
        return 0
    if not spans:
        return rng.randint(0, num_tokens - room)
    first, last = spans[0]
    latest = min(first, num_tokens - room)
    return rng.randint(min(latest, max(0, last - room + 1)), latest)


def _in_window(spans: Sequence[Span], begin: int, end: int) -> list[Span]:
    """Returns the first span, cut to the window, and those of the others that it holds whole."""
    cut = [(first, min(last, end - 1)) for first, last in spans[:1]]
    return cut + [span for span in spans[1:] if span[0] >= begin and span[1] < end]
