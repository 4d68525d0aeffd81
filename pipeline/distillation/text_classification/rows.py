"""Rows to train text classification on: a text or two, as tokens, and what is said of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from pipeline.distillation.faults import Faults
from pipeline.on_device.text_classification.fitting import longest_first
from pipeline.tasks.text_classification import TextClassification
from pipeline.tasks.text_classification.labelled import LabelledText
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
    task: TextClassification,
    tokenizer: Tokenizer,
    max_seq_len: int,
    faults: Faults,
) -> list[TextRow]:
    """Returns a row for each example; what is too long is cut as the task cuts it.

    Args:
        examples: All of one text, or all of two.
        task: Of the model that learns.
        tokenizer: WordPiece, truncation and padding switched off.
        max_seq_len: Tokens in a row at most.
        faults: Takes each example that holds nothing that can be read.
    """
    cls, sep = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
    unknown = special_id(tokenizer, "[UNK]")
    rows = []
    for example, parts in zip(examples, _encoded(examples, tokenizer), strict=True):
        share = task.rules.max_unknown_share
        if not all(ids and ids.count(unknown) <= share * len(ids) for ids in parts):
            faults.add(
                f"{example.id}: it holds no word, or most are not in the vocabulary of the model"
            )
            continue
        sizes = longest_first([len(ids) for ids in parts], room=max_seq_len - 1 - len(parts))
        ids, second = [cls], 0
        for part, size in zip(parts, sizes, strict=True):
            second = len(ids)
            ids += [*part[:size], sep]
        rows.append(
            TextRow(
                name=example.id,
                ids=ids,
                second=second if len(parts) > 1 else len(ids),
                target=target_of(example, task),
            )
        )
    return rows


def target_of(example: LabelledText, task: TextClassification) -> tuple[float, ...]:
    """Returns what each output of a model should be: the share of a label, or a number."""
    if task.rules.problem_type == "regression":
        return (math.nan if example.value is None else example.value,)
    if example.labels is None:
        return (math.nan,) * len(task.labels)
    return tuple(float(name in example.labels) for name in task.labels)


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
