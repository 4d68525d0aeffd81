"""A row of input as an app makes it: one text, or two, between special tokens, and padded."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.bundle.manifest_parts import TokenizerPart

Span = tuple[int, int]
"""Start and end in a text, in code points."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """``[CLS] text [SEP]`` or ``[CLS] text [SEP] text [SEP]``, padded.

    Attributes:
        input_ids: As many as the row is long.
        attention_mask: 1 for tokens, 0 for padding.
        token_type_ids: The manifest's second type for the second text and its [SEP], else 0; for
            models that take them.
        first: Position of the first token of the last text.
        offsets: For each token of that text in the row, its ``(start, end)`` in it, in code points.
    """

    input_ids: tuple[int, ...]
    attention_mask: tuple[int, ...]
    token_type_ids: tuple[int, ...]
    first: int
    offsets: tuple[Span, ...]


def make_row(
    *texts: Sequence[int],
    offsets: Sequence[Span],
    tokenizer: TokenizerPart,
    seq_lens: Sequence[int],
) -> Row:
    """Returns a row at the smallest length that holds it.

    Args:
        texts: The ids of one text, or of two.
        offsets: Of the last text's tokens.
        tokenizer: Of the manifest: the ids of [CLS], [SEP] and [PAD], and the second text's type.
        seq_lens: The artifact's lengths, ascending.
    """
    cls, sep, pad = (tokenizer.special_tokens[token] for token in ("[CLS]", "[SEP]", "[PAD]"))
    ids, types, first = [cls], [0], 0
    for text, type_ in zip(texts, (0, tokenizer.second_token_type), strict=False):
        first = len(ids)
        ids += [*text, sep]
        types += [type_] * (len(text) + 1)
    padding = next(length for length in seq_lens if length >= len(ids)) - len(ids)
    return Row(
        input_ids=(*ids, *[pad] * padding),
        attention_mask=(1,) * len(ids) + (0,) * padding,
        token_type_ids=(*types, *[0] * padding),
        first=first,
        offsets=tuple(offsets),
    )
