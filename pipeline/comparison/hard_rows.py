"""Examples that are built to be hard: what real text seldom holds, and converters get wrong."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer

from converters.values.artifact import Arrays
from converters.values.errors import InputError
from pipeline.student.load import Student
from pipeline.tasks.task import Encoded, Example, long_text

LENGTH_STEP = 32
"""Tokens between one length and the next."""

_SHORTEST = 8
_MANY_SCRIPTS = (
    "The café naïve señor Ångström of Zürich met Ødegård, then ΑΘΗΝΑ and Москва, at 東京 — "
    "“quoted”, e\u0301 decomposed, 3½ km², עברית and العربية, 👩\u200d👩\u200d👧 and the 🏰."
)
_NUM_WORDS = 64
_UNKNOWN = "𓀀"
"""A hieroglyph, which no vocabulary holds."""

_NUM_TRIED = 24
_SEED = 0


def hard_examples(student: Student, *, max_seq_len: int) -> tuple[Example, ...]:
    """Returns examples that take one row each, the id of each telling what it is.

    Those that the student's vocabulary cannot read are left out.

    Args:
        student: For its tokenizer, and to find large activations.
        max_seq_len: The longest row, in tokens.
    """
    examples = [
        *_of_each_length(student, max_seq_len),
        *_of_odd_words(student),
        *_of_large_activations(student, max_seq_len),
    ]
    return tuple(each for each in examples if _fits(student, each, max_seq_len))


def refill_padding(inputs: Arrays, *, vocabulary_size: int) -> Arrays | None:
    """Returns a row with other tokens where its mask hides them; None if it hides none.

    Args:
        inputs: Every input by name, ``(1, seq_len) int32``.
        vocabulary_size: Tokens to draw from.
    """
    is_padding = inputs["attention_mask"] == 0
    if not is_padding.any():
        return None
    random = np.random.default_rng(_SEED)
    drawn = random.integers(0, vocabulary_size, is_padding.shape, dtype=np.int32)
    return {**inputs, "input_ids": np.where(is_padding, drawn, inputs["input_ids"])}


def _of_each_length(student: Student, max_seq_len: int) -> Iterator[Example]:
    """Yields text of 8 tokens, of the longest row, and of lengths between."""
    passage = " ".join(dict.fromkeys(map(long_text, student.task.own_examples())))
    passage *= 1 + max_seq_len // max(1, len(_offsets(student.tokenizer, passage)))
    offsets = _offsets(student.tokenizer, passage)
    if not offsets:
        return
    try:
        num_others = _num_others(student, passage[: offsets[min(_SHORTEST, len(offsets)) - 1][1]])
    except InputError:
        return
    for length in (*range(_SHORTEST, max_seq_len, LENGTH_STEP), max_seq_len):
        last = min(length - num_others, len(offsets)) - 1
        if last >= 0:
            yield student.task.example_of(passage[: offsets[last][1]], id=f"{length} tokens")


def _of_odd_words(student: Student) -> Iterator[Example]:
    words = _whole_words(student.tokenizer)
    if not words:
        return
    example_of = student.task.example_of
    word = max(words, key=len)
    some = np.random.default_rng(_SEED).choice(words, _NUM_WORDS).tolist()
    yield example_of(word, id="one word")
    yield example_of(" ".join([word] * _NUM_WORDS), id="one word repeated")
    pairs = zip(some[::2], some[1::2], strict=True)
    yield example_of(
        " ".join(f"{one} {other} {_UNKNOWN}" for one, other in pairs), id="unknown tokens"
    )
    yield example_of(_MANY_SCRIPTS, id="many scripts")


def _of_large_activations(student: Student, max_seq_len: int) -> list[Example]:
    """Returns texts of the words that drive the inputs of linear layers farthest, of many."""
    words = _whole_words(student.tokenizer)
    if not words:
        return []
    random = np.random.default_rng(_SEED)
    num_words = min(_NUM_WORDS, max_seq_len // 2)
    reach: dict[str, float] = {}
    for _ in range(_NUM_TRIED):
        tried = random.choice(words, num_words).tolist()
        for word, value in zip(tried, _activations(student, tried, max_seq_len), strict=True):
            reach[word] = max(value, reach.get(word, 0.0))
    example_of = student.task.example_of
    farthest = sorted(reach, key=lambda word: reach[word], reverse=True)
    return [
        example_of(" ".join(farthest[:num_words]), id="large activations"),
        example_of(
            " ".join((farthest[:4] * num_words)[:num_words]), id="large activations, few words"
        ),
    ]


def _activations(student: Student, words: Sequence[str], max_seq_len: int) -> list[float]:
    """Returns the largest value that a linear layer takes at each of some one-token words."""
    example = student.task.example_of(" ".join(words), id="words")
    (encoded,) = student.encode([example], seq_lens=(max_seq_len,))
    row = encoded.rows[0]
    inputs = {
        name: torch.from_numpy(value[:, : row.num_tokens]) for name, value in row.inputs.items()
    }
    largest = torch.zeros(row.num_tokens)

    def watch(_: torch.nn.Module, taken: tuple[torch.Tensor]) -> None:
        largest.copy_(torch.maximum(largest, taken[0][0].abs().amax(-1)))

    layers = [each for each in student.model.modules() if isinstance(each, torch.nn.Linear)]
    hooks = [layer.register_forward_pre_hook(watch) for layer in layers]
    try:
        with torch.inference_mode():
            student.model(**inputs)
    finally:
        for hook in hooks:
            hook.remove()
    values: list[float] = largest[row.first : row.first + len(words)].tolist()
    return values


def _fits(student: Student, example: Example, max_seq_len: int) -> bool:
    try:
        (encoded,) = student.encode([example], seq_lens=(max_seq_len,))
    except InputError:
        return False
    return takes_one_row(encoded)


def takes_one_row(encoded: Encoded) -> bool:
    """Returns whether a row holds all of an example, so that others hold the very same tokens."""
    return len(encoded.rows) == 1 and not encoded.is_cut


def _whole_words(tokenizer: Tokenizer) -> Sequence[str]:
    """Returns the words that are one token each, in the order of the vocabulary."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return [word for word, _ in vocabulary if word.isalpha() and len(word) > 2]


def _offsets(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    offsets: list[tuple[int, int]] = tokenizer.encode(text, add_special_tokens=False).offsets
    return offsets


def _num_others(student: Student, text: str) -> int:
    """Returns the tokens of a row that are not of its long text.

    Raises:
        InputError: The student cannot read the text.
    """
    example = student.task.example_of(text, id="some")
    (encoded,) = student.encode([example], seq_lens=(student.max_seq_len,))
    return encoded.rows[0].num_tokens - len(encoded.rows[0].offsets)
