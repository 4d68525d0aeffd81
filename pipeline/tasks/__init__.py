"""One module per task: its inputs, outputs, decoding and metric.

A task is found by the suffix of the architecture's name, so a new one is a new file here and
changes no other: ``DistilBertForQuestionAnswering`` ends with what
``question_answering.ARCHITECTURE_SUFFIX`` says.
"""

import importlib
from typing import TYPE_CHECKING, Protocol

from converters.values.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from tokenizers import Tokenizer

    from pipeline.bundle.vectors import Value
    from pipeline.tasks.question_answering import Answer, Encoded
    from pipeline.tasks.question_answering.squad import Example, Question, Score


class Task(Protocol):
    """What a task module offers."""

    NAME: str
    ARCHITECTURE_SUFFIX: str
    OUTPUT_NAMES: tuple[str, ...]

    def read_examples(self, path: "Path") -> "tuple[Example, ...]":
        """Reads labelled examples from a file that the user gave."""
        ...

    def own_examples(self) -> "tuple[Question, ...]":
        """Returns the labelled examples that the package carries."""
        ...

    def check_readable(self, example: "Question", *, tokenizer: "Tokenizer") -> None:
        """Checks that an example can be encoded; raises InputError if not."""
        ...

    def encode(
        self,
        example: "Question",
        *,
        tokenizer: "Tokenizer",
        input_names: tuple[str, ...],
        seq_lens: tuple[int, ...],
    ) -> "Encoded":
        """Turns an example into model inputs of the given lengths."""
        ...

    def decode(self, encoded: "Encoded", outputs: "Sequence[Mapping[str, np.ndarray]]") -> "Answer":
        """Turns the model's outputs back into an answer."""
        ...

    def stated(self, encoded: "Encoded", answer: "Answer") -> "Mapping[str, Value]":
        """Returns an answer as ``vectors.json`` states it."""
        ...

    def prefers_no_answer(
        self, encoded: "Encoded", outputs: "Sequence[Mapping[str, np.ndarray]]"
    ) -> bool:
        """Tells whether the model's outputs say that there is no answer."""
        ...

    def margin(
        self,
        encoded: "Encoded",
        outputs: "Sequence[Mapping[str, np.ndarray]]",
        *,
        preferred: "Answer",
        other: "Answer",
    ) -> float:
        """Returns by how many logits one answer is ahead of another, in these outputs."""
        ...

    def exact_match(self, *, prediction: str, answers: "Sequence[str]") -> float:
        """Returns whether a text is one of the answers, 1 or 0."""
        ...

    def f1(self, *, prediction: str, answers: "Sequence[str]") -> float:
        """Returns how near a text is to the nearest of the answers, 0 to 1."""
        ...

    def score(self, answers: "Mapping[str, str]", examples: "Sequence[Example]") -> "Score":
        """Scores answers by example id."""
        ...


TASKS = ("question_answering",)
"""The folders here, each a task."""


def task_of(architecture: str) -> Task:
    """Returns the task of an architecture such as ``DistilBertForQuestionAnswering``.

    Raises:
        InputError: No module here serves it.
    """
    tasks = [importlib.import_module(f"{__name__}.{name}") for name in TASKS]
    for task in tasks:
        if architecture.endswith(task.ARCHITECTURE_SUFFIX):
            return task
    supported = ", ".join(f"…{task.ARCHITECTURE_SUFFIX}" for task in tasks)
    raise InputError(
        f"the model is a {architecture}, a task that is not supported",
        hint=f"give a model whose architecture is {supported}",
    )
