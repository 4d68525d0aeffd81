"""Cuts texts into tokens as Google's Task Library does, to tell which it reads like a student.

The library offers no way to ask it for its tokens.

Source: tflite-support 0.4.4, ``bert_tokenizer.h``, and ``Preprocess`` in
``bert_question_answerer.cc``.
"""

import string

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

_SPACE = r"[ \t\n\f\r]+"
_SPLIT = (
    r"[!-/]|[:-@]|[\[-`]|[{-~]|\p{P}|[\x{4E00}-\x{9FFF}]|[\x{3400}-\x{4DBF}]|[\x{20000}-\x{2A6DF}]|"
    r"[\x{2A700}-\x{2B73F}]|[\x{2B740}-\x{2B81F}]|[\x{2B820}-\x{2CEAF}]|[\x{F900}-\x{FAFF}]|"
    r"[\x{2F800}-\x{2FA1F}]"
)
"""What is a word of its own."""
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class LibraryTokenizer:
    """The library's tokenizer with the vocabulary of a student's."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        model = models.WordPiece(
            tokenizer.get_vocab(), unk_token="[UNK]", max_input_chars_per_word=100
        )
        self._tokenizer = Tokenizer(model)
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_SPACE), "removed"),
                pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            ]
        )

    def ids(self, text: str) -> list[int]:
        """Returns the ids of a text; A to Z alone are lower-cased, and no accents are removed."""
        ids: list[int] = self._tokenizer.encode(text.translate(_LOWER)).ids
        return ids
