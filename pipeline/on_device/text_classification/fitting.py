"""Fits one text, or two, into rows: the end is cut off, or the last text is cut into windows.

The same rules as ``pipeline/tasks/text_classification``, on lists of numbers.
"""

from collections.abc import Sequence

from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.on_device.row import Row, make_row
from pipeline.on_device.text_classification.rules import ClassificationRules
from pipeline.on_device.texts import window_starts
from pipeline.on_device.wordpiece import Tokens


def fit(
    texts: Sequence[Tokens],
    *,
    tokenizer: TokenizerPart,
    rules: ClassificationRules,
    seq_lens: Sequence[int],
) -> list[Row]:
    """Returns the rows of an example, each at the smallest length that holds it.

    Args:
        texts: The tokens of its text, or of both.
        tokenizer: Of the manifest: the ids of [CLS], [SEP] and [PAD], and the second text's type.
        rules: Of the manifest.
        seq_lens: The artifact's lengths, ascending.
    """
    room = seq_lens[-1] - 1 - len(texts)  # [CLS], and a [SEP] behind each text
    *firsts, last = texts
    if rules.long_text == "windows":
        kept = [each.ids[: min(rules.max_first_tokens, room // 2)] for each in firsts]
        room_of_last = room - sum(map(len, kept))
        starts = window_starts(
            len(last.ids), room=room_of_last, overlap=rules.window_overlap_tokens
        )
    else:
        sizes = longest_first([len(each.ids) for each in texts], room=room)
        kept = [each.ids[:size] for each, size in zip(firsts, sizes, strict=False)]
        room_of_last, starts = sizes[-1], [0]
    parts = [slice(start, start + room_of_last) for start in starts]
    return [
        make_row(
            *kept,
            last.ids[part],
            offsets=last.offsets[part],
            tokenizer=tokenizer,
            seq_lens=seq_lens,
        )
        for part in parts
    ]


def longest_first(sizes: Sequence[int], *, room: int) -> list[int]:
    """Returns how many tokens of one text, or of two, are kept: the longer is cut first.

    Args:
        sizes: Tokens of each.
        room: Tokens that a row has for all of them.

    Source: ``TruncationStrategy::LongestFirst`` of Hugging Face's ``tokenizers``.
    """
    if len(sizes) == 1:
        return [min(sizes[0], room)]
    if sum(sizes) <= room:
        return list(sizes)
    short, long = min(sizes), max(sizes)
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short, long = room // 2, room - room // 2
    return [short, long] if sizes[0] <= sizes[1] else [long, short]
