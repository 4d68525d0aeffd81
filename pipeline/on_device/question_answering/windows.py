"""Cuts a question and its context into windows, and picks the answer from a model's logits.

The same rules as ``pipeline/tasks/question_answering``, on lists of numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.on_device.question_answering.rules import SpanRules
from pipeline.on_device.row import Row, make_row
from pipeline.on_device.texts import window_starts
from pipeline.on_device.wordpiece import Tokens

NUM_SPECIAL = 3
"""Of a row: [CLS] before the question, and [SEP] behind it and behind the context."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A span of the context; ``start`` and ``end`` count code points."""

    text: str
    start: int
    end: int
    score: float


def cut(
    question: Tokens,
    context: Tokens,
    *,
    tokenizer: TokenizerPart,
    rules: SpanRules,
    seq_lens: Sequence[int],
) -> list[Row]:
    """Returns windows that cover the context, each at the smallest length that holds it.

    Args:
        question: Its tokens.
        context: Its tokens.
        tokenizer: Of the manifest: the ids of [CLS], [SEP] and [PAD], and the context's type.
        rules: Of the manifest.
        seq_lens: The artifact's lengths, ascending.

    """
    longest = seq_lens[-1]
    asked = question.ids[: min(rules.max_question_tokens, (longest - NUM_SPECIAL) // 2)]
    room = longest - NUM_SPECIAL - len(asked)
    windows = []
    for start in window_starts(len(context.ids), room=room, overlap=rules.window_overlap_tokens):
        part = slice(start, start + room)
        windows.append(
            make_row(
                asked,
                context.ids[part],
                offsets=context.offsets[part],
                tokenizer=tokenizer,
                seq_lens=seq_lens,
            )
        )
    return windows


def best_answer(
    text: str,
    windows: Sequence[Row],
    start_logits: Sequence[Sequence[float]],
    end_logits: Sequence[Sequence[float]],
    *,
    rules: SpanRules,
) -> Answer:
    """Returns the best span over all windows; of equal ones the first.

    Args:
        text: The context.
        windows: Of it.
        start_logits: For each window one for each position of its row.
        end_logits: The same for the ends of spans.
        rules: Of the manifest.
    """
    best, begin, stop = -math.inf, 0, 0
    starts: list[float] = []
    ends: list[float] = []
    for window, all_starts, all_ends in zip(windows, start_logits, end_logits, strict=True):
        context = slice(window.first, window.first + len(window.offsets))
        start, end = all_starts[context], all_ends[context]
        starts += start
        ends += end
        value, first, last = best_span(start, end, max_tokens=rules.max_answer_tokens)
        if value > best:
            best, begin, stop = value, window.offsets[first][0], window.offsets[last][1]
    score = math.exp(best - _log_sum_exp(starts) - _log_sum_exp(ends))
    return Answer(text=text[begin:stop], start=begin, end=stop, score=score)


def best_span(
    start: Sequence[float], end: Sequence[float], *, max_tokens: int
) -> tuple[float, int, int]:
    """Returns the value, first and last token of the best span of one window.

    A window with a sum that is not a number has none: its value is not a number.

    Args:
        start: A logit for each context token.
        end: The same.
        max_tokens: The longest span.
    """
    best, first, last = -math.inf, 0, 0
    for i in range(len(start)):
        for j in range(i, min(len(start), i + max_tokens)):
            value = start[i] + end[j]
            if math.isnan(value):
                return math.nan, i, j
            if value > best:
                best, first, last = value, i, j
    return best, first, last


def _log_sum_exp(values: Sequence[float]) -> float:
    if any(map(math.isnan, values)):
        return math.nan
    largest = max(values)
    return largest + math.log(sum(math.exp(value - largest) for value in values))
