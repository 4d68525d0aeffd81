"""What Google's ``BertQuestionAnswerer`` is asked, and how its replies are compared.

It answers in whole words, cut at spaces, so the student's answer is widened to whole words, too.

Source: tflite-support 0.4.4, ``bert_question_answerer.cc``.
"""

import math

from pipeline.tasks.question_answering.spans import Answer
from pipeline.tasks.question_answering.squad import Question, normalize_answer
from pipeline.tasks.task import Encoded


class SpanLibrary:
    """See ``LibraryTask`` for what each function is for."""

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
