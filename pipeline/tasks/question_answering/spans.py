"""Extractive question answering: from texts to windows of tokens, and from logits to a span.

The rules are those of the BERT paper's SQuAD baseline (Devlin et al. 2019, section 4.2): the answer
is the span whose start logit plus end logit is largest, the end not before the start.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from pipeline.on_device.question_answering.rules import SpanRules
from pipeline.on_device.texts import window_starts
from pipeline.tasks.question_answering.squad import Question
from pipeline.tasks.task import Encoded, Outputs
from pipeline.tasks.texts import make_row, tokenize

OUTPUT_NAMES = ("start_logits", "end_logits")

RULES = SpanRules(
    max_question_tokens=64,
    max_answer_tokens=30,
    window_overlap_tokens=128,
    score="softmax_over_all_windows",
    max_text_characters=200_000,  # some 50,000 tokens, and a few hundred windows for each runtime
    max_unknown_share=0.5,
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A span of the context; ``start`` and ``end`` count characters (Unicode code points).

    Attributes:
        prefers_none: Whether "no answer" is ahead of the span, which says something only of a model
            that was trained on questions without an answer.
    """

    text: str
    start: int
    end: int
    score: float
    prefers_none: bool = False


def check_readable(example: Question, *, tokenizer: Tokenizer, rules: SpanRules = RULES) -> None:
    """Checks that a question and its context can be read, at whatever length.

    Raises:
        InputError: A text is empty, too long, or in a script that the vocabulary lacks.
    """
    tokenize(tokenizer, example.question, rules, what="question")
    tokenize(tokenizer, example.context, rules, what="context")


def encode(
    example: Question,
    *,
    tokenizer: Tokenizer,
    input_names: tuple[str, ...],
    seq_lens: tuple[int, ...],
    rules: SpanRules = RULES,
) -> Encoded:
    """Cuts a question and its context into windows, each at the smallest length that holds it.

    Args:
        example: The question and its context.
        tokenizer: A WordPiece tokenizer with truncation and padding switched off.
        input_names: ``input_ids``, ``attention_mask`` and perhaps ``token_type_ids``.
        seq_lens: The lengths to choose from, ascending.
        rules: How long the question may be and how far windows overlap.

    Raises:
        InputError: A text is empty, too long, or in a script that the vocabulary lacks.
    """
    question = tokenize(tokenizer, example.question, rules, what="question")
    context = tokenize(tokenizer, example.context, rules, what="context")
    longest = seq_lens[-1]
    question_ids = cut_question(question.ids, seq_len=longest, rules=rules)
    room = longest - len(question_ids) - 3  # [CLS], [SEP] and [SEP]
    starts = window_starts(len(context.ids), room=room, overlap=rules.window_overlap_tokens)
    rows = [
        make_row(
            question_ids,
            context.ids[start : start + room],
            offsets=context.offsets[start : start + room],
            tokenizer=tokenizer,
            input_names=input_names,
            seq_lens=seq_lens,
        )
        for start in starts
    ]
    remark = (
        f"the question has {len(question.ids)} tokens, of which only the first "
        f"{len(question_ids)} are read"
    )
    return Encoded(
        texts=example.texts,
        rows=tuple(rows),
        remarks=(remark,) * (len(question_ids) < len(question.ids)),
    )


def cut_question(ids: list[int], *, seq_len: int, rules: SpanRules = RULES) -> list[int]:
    """Returns as much of a question as its row has place for: half of it at most.

    Args:
        ids: Of the question, without special tokens.
        seq_len: Of the row, three special tokens counted in.
        rules: How long the question may be.
    """
    return ids[: min(rules.max_question_tokens, (seq_len - 3) // 2)]


def decode(
    encoded: Encoded,
    outputs: Sequence[Outputs],
    *,
    rules: SpanRules = RULES,
) -> Answer:
    """Returns the best span over all windows.

    The score is the probability of the start times that of the end, each a softmax over the context
    tokens of all windows together, so windows compete on one scale. Of equal spans the first wins.
    Where a logit is not finite, the score is not a number.

    Args:
        encoded: What ``encode`` returned.
        outputs: For each window the logits by name, each ``(1, seq_len) float32``.
        rules: The longest answer, in tokens.
    """
    (value, begin, stop), starts, ends = _best(encoded, outputs, rules)
    with np.errstate(invalid="ignore"):
        probability = np.exp(value - _log_sum_exp(starts) - _log_sum_exp(ends))
    return Answer(
        text=encoded.texts["context"][begin:stop],
        start=begin,
        end=stop,
        score=float(probability),
        prefers_none=_prefers_none(outputs, value),
    )


def margin(
    encoded: Encoded,
    outputs: Sequence[Outputs],
    *,
    preferred: Answer,
    other: Answer,
    rules: SpanRules = RULES,
) -> float:
    """Returns by how many logits one span is ahead of another, in the best tokens of each.

    Args:
        encoded: The question.
        outputs: Logits for each window.
        preferred: A span of tokens.
        other: Another; infinitely far behind where it is no span of tokens.
        rules: The longest answer, in tokens.
    """
    ahead, behind = (_span_value(encoded, outputs, each, rules) for each in (preferred, other))
    return ahead - behind


def best_span(start: np.ndarray, end: np.ndarray, *, max_tokens: int) -> tuple[float, int, int]:
    """Returns the value, first and last token of the best span.

    Args:
        start: ``(tokens,)`` start logits.
        end: ``(tokens,)`` end logits.
        max_tokens: The longest span.
    """
    width = min(max_tokens, len(start))
    padded = np.concatenate([end, np.full(width - 1, -np.inf)])
    ends = np.lib.stride_tricks.sliding_window_view(padded, width)  # (tokens, width)
    values = start[:, None] + ends
    first, extra = divmod(int(np.argmax(values)), width)
    return float(values[first, extra]), first, first + extra


def _prefers_none(outputs: Sequence[Outputs], best: float) -> bool:
    """Returns whether "no answer" is ahead of the best span, as SQuAD 2.0 has it.

    A model that was trained on questions without an answer gives it at [CLS]: its value is the
    start logit plus the end logit there, in the window where that is smallest. To any other model
    it means nothing.

    Source: Devlin et al. 2019, section 4.3, with a threshold of 0, and its ``run_squad.py``.
    """
    # NumPy's minimum keeps what is not a number, which is ahead of nothing.
    none = np.min(
        [float(row["start_logits"][0, 0]) + float(row["end_logits"][0, 0]) for row in outputs]
    )
    return bool(none > best)


def _best(
    encoded: Encoded, outputs: Sequence[Outputs], rules: SpanRules
) -> tuple[tuple[float, int, int], list[np.ndarray], list[np.ndarray]]:
    """Returns the best span over all windows, and the context's start and end logits by window.

    The span is its value in logits, and its first and last character.
    """
    best: tuple[float, int, int] = (-np.inf, 0, 0)
    starts, ends = [], []
    for window, logits in zip(encoded.rows, outputs, strict=True):
        context = slice(window.first, window.first + len(window.offsets))
        start = np.asarray(logits["start_logits"], np.float64)[0, context]
        end = np.asarray(logits["end_logits"], np.float64)[0, context]
        starts.append(start)
        ends.append(end)
        with np.errstate(invalid="ignore"):
            value, first, last = best_span(start, end, max_tokens=rules.max_answer_tokens)
        if value > best[0]:
            best = (value, window.offsets[first][0], window.offsets[last][1])
    return best, starts, ends


def _span_value(
    encoded: Encoded,
    outputs: Sequence[Outputs],
    answer: Answer,
    rules: SpanRules,
) -> float:
    """Returns the largest start plus end logit of all tokens that begin and end a span.

    Several pairs of tokens may do so, in one window, too: one character can be several tokens, and
    all of them have its offsets.
    """
    best = -np.inf
    for window, logits in zip(encoded.rows, outputs, strict=True):
        context = slice(window.first, window.first + len(window.offsets))
        begins, ends = np.array(window.offsets).T
        first, last = (np.asarray(logits[name], np.float64)[0, context] for name in OUTPUT_NAMES)
        start = np.where(begins == answer.start, first, -np.inf)
        end = np.where(ends == answer.end, last, -np.inf)
        with np.errstate(invalid="ignore"):
            value, _, _ = best_span(start, end, max_tokens=rules.max_answer_tokens)
        best = max(best, value)
    return best


def _log_sum_exp(parts: list[np.ndarray]) -> float:
    values = np.concatenate(parts)
    largest = values.max()
    return float(largest + np.log(np.exp(values - largest).sum()))
