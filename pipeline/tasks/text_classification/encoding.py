"""From texts to rows: the end of a long text is cut off, or it takes several rows."""

from collections.abc import Sequence

from tokenizers import Tokenizer

from pipeline.on_device.text_classification import check_names
from pipeline.on_device.text_classification.fitting import longest_first
from pipeline.on_device.text_classification.rules import ClassificationRules
from pipeline.on_device.texts import window_starts
from pipeline.tasks.task import Encoded
from pipeline.tasks.text_classification.labelled import LabelledText
from pipeline.tasks.texts import Tokens, make_row, tokenize

_NAMES = {"text": "text", "text_pair": "second text"}


def check_readable(
    example: LabelledText, *, tokenizer: Tokenizer, rules: ClassificationRules
) -> None:
    """Checks that an example can be read, at whatever length.

    Raises:
        InputError: It is of another number of texts than the model takes; one of them is empty, too
            long, or in a script that the vocabulary lacks.
    """
    _read(example, tokenizer, rules)


def encode(
    example: LabelledText,
    *,
    tokenizer: Tokenizer,
    input_names: tuple[str, ...],
    seq_lens: tuple[int, ...],
    rules: ClassificationRules,
) -> Encoded:
    """Fits an example into rows, each at the smallest length that holds it.

    Args:
        example: One text, or two.
        tokenizer: A WordPiece tokenizer with truncation and padding switched off.
        input_names: ``input_ids``, ``attention_mask`` and perhaps ``token_type_ids``.
        seq_lens: The lengths to choose from, ascending.
        rules: What becomes of what a row does not hold.

    Raises:
        InputError: As ``check_readable``.
    """
    texts = _read(example, tokenizer, rules)
    room = seq_lens[-1] - 1 - len(texts)  # [CLS], and a [SEP] behind each text
    if rules.long_text == "windows":
        kept = [min(len(each.ids), rules.max_first_tokens, room // 2) for each in texts[:-1]]
        room_of_last = room - sum(kept)
        kept.append(len(texts[-1].ids))
    else:
        kept = longest_first([len(each.ids) for each in texts], room=room)
        room_of_last = kept[-1]
    starts = window_starts(kept[-1], room=room_of_last, overlap=rules.window_overlap_tokens)
    firsts = [each.ids[:size] for each, size in zip(texts[:-1], kept, strict=False)]
    parts = [slice(start, start + room_of_last) for start in starts]
    rows = [
        make_row(
            *firsts,
            texts[-1].ids[part],
            offsets=texts[-1].offsets[part],
            tokenizer=tokenizer,
            input_names=input_names,
            seq_lens=seq_lens,
        )
        for part in parts
    ]
    return Encoded(texts=example.texts, rows=tuple(rows), remarks=_remarks(texts, kept, rules))


def _read(example: LabelledText, tokenizer: Tokenizer, rules: ClassificationRules) -> list[Tokens]:
    """Returns the tokens of each text."""
    check_names(example.texts, rules=rules)
    return [
        tokenize(tokenizer, example.texts[name], rules, what=_NAMES[name])
        for name in rules.text_names
    ]


def _remarks(
    texts: Sequence[Tokens], kept: Sequence[int], rules: ClassificationRules
) -> tuple[str, ...]:
    """Returns in words what of each text no row holds."""
    return tuple(
        f"the {_NAMES[name]} has {len(text.ids)} tokens, of which only the first {size} are read"
        for name, text, size in zip(rules.text_names, texts, kept, strict=True)
        if size < len(text.ids)
    )
