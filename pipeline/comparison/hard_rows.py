"""Examples that are built to be hard: what real text seldom holds, and converters get wrong."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer

from converters.values.artifact import Arrays
from converters.values.errors import InputError
from pipeline.student.load import Student
from pipeline.tasks.question_answering.squad import Question

LENGTH_STEP = 32
"""Tokens between one length and the next."""

_SHORTEST = 8
_QUESTION = "Who?"
_MANY_SCRIPTS = (
    "The café naïve señor Ångström of Zürich met Ødegård, then ΑΘΗΝΑ and Москва, at 東京 — "
    "“quoted”, e\u0301 decomposed, 3½ km², עברית and العربية, 👩\u200d👩\u200d👧 and the 🏰."
)
_NUM_WORDS = 64
_UNKNOWN = "𓀀"
"""A hieroglyph, which no vocabulary holds."""

_NUM_TRIED = 24
_SEED = 0


def hard_examples(student: Student, *, max_seq_len: int) -> tuple[Question, ...]:
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
    """Returns a row with other tokens where its mask hides them; nothing if it hides none.

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


def _of_each_length(student: Student, max_seq_len: int) -> Iterator[Question]:
    """Yields text of 8 tokens, of the longest row, and of lengths between."""
    passage = " ".join(dict.fromkeys(each.context for each in student.task.own_examples()))
    passage *= 1 + max_seq_len // max(1, len(_offsets(student.tokenizer, passage)))
    offsets = _offsets(student.tokenizer, passage)
    num_others = len(_offsets(student.tokenizer, _QUESTION)) + 3  # [CLS], [SEP] and [SEP]
    for length in (*range(_SHORTEST, max_seq_len, LENGTH_STEP), max_seq_len):
        last = min(length - num_others, len(offsets)) - 1
        if last >= 0:
            yield _example(f"{length} tokens", passage[: offsets[last][1]])


def _of_odd_words(student: Student) -> Iterator[Question]:
    words = _whole_words(student.tokenizer)
    if not words:
        return
    word = max(words, key=len)
    some = np.random.default_rng(_SEED).choice(words, _NUM_WORDS).tolist()
    yield _example("one word", word)
    yield _example("one word repeated", " ".join([word] * _NUM_WORDS))
    pairs = zip(some[::2], some[1::2], strict=True)
    yield _example("unknown tokens", " ".join(f"{one} {other} {_UNKNOWN}" for one, other in pairs))
    yield _example("many scripts", _MANY_SCRIPTS)


def _of_large_activations(student: Student, max_seq_len: int) -> list[Question]:
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
    farthest = sorted(reach, key=lambda word: reach[word], reverse=True)
    return [
        _example("large activations", " ".join(farthest[:num_words])),
        _example("large activations, few words", " ".join((farthest[:4] * num_words)[:num_words])),
    ]


def _activations(student: Student, words: Sequence[str], max_seq_len: int) -> list[float]:
    """Returns the largest value that a linear layer takes at each of some one-token words."""
    (encoded,) = student.encode([_example("words", " ".join(words))], seq_lens=(max_seq_len,))
    window = encoded.windows[0]
    inputs = {
        name: torch.from_numpy(value[:, : window.num_tokens])
        for name, value in window.inputs.items()
    }
    largest = torch.zeros(window.num_tokens)

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
    values: list[float] = largest[window.first : window.first + len(words)].tolist()
    return values


def _fits(student: Student, example: Question, max_seq_len: int) -> bool:
    try:
        (encoded,) = student.encode([example], seq_lens=(max_seq_len,))
    except InputError:
        return False
    return len(encoded.windows) == 1


def _whole_words(tokenizer: Tokenizer) -> Sequence[str]:
    """Returns the words that are one token each, in the order of the vocabulary."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return [word for word, _ in vocabulary if word.isalpha() and len(word) > 2]


def _offsets(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    offsets: list[tuple[int, int]] = tokenizer.encode(text, add_special_tokens=False).offsets
    return offsets


def _example(name: str, context: str) -> Question:
    return Question(id=name, question=_QUESTION, context=context, answers=())
