"""Rows to train text classification on: a text or two, as tokens, and what is said of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from pipeline.distillation.faults import Faults
from pipeline.tasks.text_classification.labelled import LabelledText, Scheme
from pipeline.tokenizer.tokenization import special_id

_BATCH = 1_000
"""Texts that the tokenizer reads at once."""


@dataclass(frozen=True, kw_only=True)
class TextRow:
    """One example, not yet padded.

    Attributes:
        name: Of the example.
        ids: ``[CLS] text [SEP]`` or ``[CLS] text [SEP] text_pair [SEP]``.
        second: Position of the first token of the second text; the row's length where there is one.
        target: A number for each output: shares of the labels, or what a regression is to give;
            all NaN where nobody has said.
    """

    name: str
    ids: list[int]
    second: int
    target: tuple[float, ...]


def make_rows(
    examples: Sequence[LabelledText],
    *,
    scheme: Scheme,
    tokenizer: Tokenizer,
    max_seq_len: int,
    faults: Faults,
) -> list[TextRow]:
    """Returns a row for each example; what is too long is cut as the task cuts it.

    Args:
        examples: All of one text, or all of two.
        scheme: What their labels mean; its names are known.
        tokenizer: WordPiece, truncation and padding switched off.
        max_seq_len: Tokens in a row at most.
        faults: Takes each example that holds nothing that can be read.
    """
    cls, sep = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
    unknown = special_id(tokenizer, "[UNK]")
    rows = []
    for example, parts in zip(examples, _encoded(examples, tokenizer), strict=True):
        if any(set(ids) <= {unknown} for ids in parts):
            faults.add(f"{example.id}: it holds no word that the model knows")
            continue
        first, *others = cut(parts, max_seq_len=max_seq_len)
        ids = [cls, *first, sep]
        second = len(ids)
        for other in others:
            ids += [*other, sep]
        target = target_of(example, scheme)
        rows.append(TextRow(name=example.id, ids=ids, second=second, target=target))
    return rows


def cut(parts: Sequence[list[int]], *, max_seq_len: int) -> list[list[int]]:
    """Returns the tokens of one text, or of two, as many of them as a row holds.

    One text keeps its first tokens. Of two, the longer is cut from its end until both fit, as
    ``tokenizers`` does by "longest first".
    """
    room = max_seq_len - len(parts) - 1
    if len(parts) == 1:
        return [parts[0][:room]]
    one, other = parts
    if len(one) + len(other) <= room:
        return [one, other]
    shorter, longer = sorted((len(one), len(other)))
    longer = shorter if shorter > room else max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room // 2 + room % 2
    kept = (longer, shorter) if len(one) > len(other) else (shorter, longer)
    return [one[: kept[0]], other[: kept[1]]]


def target_of(example: LabelledText, scheme: Scheme) -> tuple[float, ...]:
    """Returns what each output of a model should be: the share of a label, or a number."""
    if scheme.problem_type == "regression":
        return (math.nan if example.value is None else example.value,)
    assert scheme.labels is not None
    if example.labels is None:
        return (math.nan,) * len(scheme.labels)
    return tuple(float(name in example.labels) for name in scheme.labels)


def _encoded(
    examples: Sequence[LabelledText], tokenizer: Tokenizer
) -> Iterable[tuple[list[int], ...]]:
    """Yields the ids of each example's texts, without special tokens."""
    for begin in range(0, len(examples), _BATCH):
        chunk = examples[begin : begin + _BATCH]
        columns = [
            [each.ids for each in tokenizer.encode_batch(texts, add_special_tokens=False)]
            for texts in map(list, zip(*(each.texts.values() for each in chunk), strict=True))
        ]
        yield from zip(*columns, strict=True)
