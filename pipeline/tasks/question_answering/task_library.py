"""What Google's ``BertQuestionAnswerer`` is asked, and how its replies are compared.

It answers in whole words, cut at spaces, so the student's answer is widened to whole words, too. It
reads one window, and looks at the five best starts and ends only, and at answers of 32 tokens where
ours have 30. That is compared as it is.

Source: tflite-support 0.4.4, ``bert_question_answerer.h`` and ``.cc``.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from converters.values.errors import InputError
from converters.values.task_library import LibraryModel, LibraryOutput
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.tasks.question_answering.spans import Answer
from pipeline.tasks.question_answering.squad import Question, normalize_answer
from pipeline.tasks.task import Encoded

SEQ_LEN = 384
"""Tokens: it pads every text to that many, whatever the model says."""


class SpanLibrary:
    """See ``WordsLibrary`` for what each function is for."""

    CLIENT: ClassVar = Path(__file__).with_name("task_library_client.py")

    def check(
        self, *, tokenizer: TokenizerPart, input_names: Sequence[str], seq_lens: Sequence[int]
    ) -> None:
        """Checks that there is its length, and that token types part question and context."""
        if SEQ_LEN not in seq_lens:
            raise InputError(
                f"the Task Library pads every text to {SEQ_LEN} tokens, which is not among the "
                "lengths",
                hint=f"add {SEQ_LEN} to --seq-len, or leave out --task-library",
            )
        if "token_type_ids" in input_names and tokenizer.second_token_type == 0:
            raise InputError(
                "the Task Library gives the context the token type 1, and this student reads it "
                "as 0",
                hint="leave out --task-library",
            )

    def model(self, seq_lens: Sequence[int]) -> LibraryModel:
        """Returns a model of its length with the ends first."""
        del seq_lens
        names = ("end_logits", "start_logits")
        outputs = tuple(LibraryOutput(name=name, source=name) for name in names)
        return LibraryModel(seq_len=SEQ_LEN, outputs=outputs)

    def texts(self, example: Question) -> tuple[str, ...]:
        """Returns the question, then the context."""
        return example.question, example.context

    def expected(self, encoded: Encoded, answer: Answer) -> str:
        """Returns the student's answer with the rest of its first and last word."""
        context = encoded.texts["context"]
        start = context.rfind(" ", 0, answer.start) + 1
        end = context.find(" ", answer.end)
        return context[start : end if end >= 0 else None]

    def same(self, reply: str, expected: str) -> bool:
        """Returns whether two texts are the same after SQuAD's normalization."""
        return normalize_answer(reply) == normalize_answer(expected)

    def answer(self, reply: str) -> Answer:
        """Returns a text as an answer whose place is not known."""
        return Answer(text=reply, start=0, end=0, score=math.nan)
