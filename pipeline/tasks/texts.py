"""What tasks share of reading: tokens of a text that a model can read, and rows of input."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from converters.values.errors import InputError
from pipeline.on_device.texts import TextRules
from pipeline.tasks.task import Row
from pipeline.tokenizer.tokenization import second_type, special_id


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text, without special ones, and where in it each of them stands.

    Attributes:
        offsets: ``(start, end)`` of each in characters (Unicode code points).
    """

    ids: list[int]
    offsets: list[tuple[int, int]]


def tokenize(tokenizer: Tokenizer, text: str, rules: TextRules, *, what: str) -> Tokens:
    """Returns the tokens of a text that a model can read.

    Args:
        tokenizer: A WordPiece tokenizer with truncation and padding switched off.
        text: The text.
        rules: Of the task.
        what: It is, for the message.

    Raises:
        InputError: The text is empty, too long, or in a script that the vocabulary lacks.
    """
    if not text.strip():
        raise InputError(f"the {what} is empty", hint=f"give a {what} with at least one word")
    if len(text) > rules.max_text_characters:
        raise InputError(
            f"the {what} has {len(text):,} characters; at most {rules.max_text_characters:,} are "
            "read",
            hint="split the text and ask each part",
        )
    try:
        text.encode()
    except UnicodeEncodeError as err:
        raise InputError(
            f"the {what} is not valid Unicode: {err.reason} at character {err.start}",
            hint="give it as UTF-8",
        ) from err
    encoding = tokenizer.encode(text, add_special_tokens=False)
    if not encoding.ids:
        raise InputError(
            f"the {what} holds no token that can be read", hint=f"give a {what} with words in it"
        )
    unknown = encoding.ids.count(special_id(tokenizer, "[UNK]"))
    if unknown > rules.max_unknown_share * len(encoding.ids):
        raise InputError(
            f"{unknown} of the {len(encoding.ids)} tokens of the {what} are not in the student's "
            "vocabulary",
            hint="use a student that was trained on this script",
        )
    return Tokens(encoding.ids, encoding.offsets)


def make_row(
    *texts: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    tokenizer: Tokenizer,
    input_names: Sequence[str],
    seq_lens: Sequence[int],
) -> Row:
    """Returns a row at the smallest length that holds it.

    Args:
        texts: The ids of one text, or of two.
        offsets: Of the last text's tokens.
        tokenizer: Says which tokens part the texts, and the token type of the second.
        input_names: ``input_ids``, ``attention_mask`` and perhaps ``token_type_ids``.
        seq_lens: The lengths to choose from, ascending.
    """
    cls, sep, pad = (special_id(tokenizer, name) for name in ("[CLS]", "[SEP]", "[PAD]"))
    ids, types, first = [cls], [0], 0
    types_of_texts = (0,) if len(texts) == 1 else (0, second_type(tokenizer))
    for text, type_ in zip(texts, types_of_texts, strict=True):
        first = len(ids)
        ids += [*text, sep]
        types += [type_] * (len(text) + 1)
    seq_len = next(length for length in seq_lens if length >= len(ids))
    made = {
        "input_ids": np.full((1, seq_len), pad, np.int32),
        "attention_mask": np.zeros((1, seq_len), np.int32),
        "token_type_ids": np.zeros((1, seq_len), np.int32),
    }
    for name, values in (("input_ids", ids), ("attention_mask", 1), ("token_type_ids", types)):
        made[name][0, : len(ids)] = values
    return Row(
        inputs={name: made[name] for name in input_names}, first=first, offsets=tuple(offsets)
    )
