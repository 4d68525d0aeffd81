"""What Google's Task Library has for a task: which of its classes, and how replies are compared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from converters.values.task_library import LibraryModel
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.tasks.task import Encoded, Outputs


class LibraryTask(Protocol):
    """What the library is asked.

    Attributes:
        CLIENT: A script with ``ask(model, texts, num_threads)``. It runs in the library's own
            environment and imports nothing of this project. It takes the path of the model and the
            texts of each example, and returns a reply for each, as JSON has it.
    """

    CLIENT: ClassVar[Path]

    def check(
        self, *, tokenizer: TokenizerPart, input_names: Sequence[str], seq_lens: Sequence[int]
    ) -> None:
        """Checks that the library's class for the task can do as the task does.

        Args:
            tokenizer: The student's.
            input_names: The student's.
            seq_lens: That are built.

        Raises:
            InputError: It cannot.
        """
        ...

    def model(self, seq_lens: Sequence[int]) -> LibraryModel:
        """Returns what it asks of a model, of which there are these lengths, ascending."""
        ...

    def texts(self, example: Any) -> tuple[str, ...]:
        """Returns what it is asked, in its order."""
        ...


@runtime_checkable
class WordsLibrary(LibraryTask, Protocol):
    """A class of the library that replies in words: only answers can be compared."""

    def expected(self, encoded: Encoded, answer: Any) -> str:
        """Returns a student's answer as the library would give it."""
        ...

    def same(self, reply: str, expected: str) -> bool:
        """Returns whether a reply is as good as the expected one."""
        ...

    def answer(self, reply: str) -> Any:
        """Returns a reply as an answer of the task, to be scored."""
        ...


@runtime_checkable
class NumbersLibrary(LibraryTask, Protocol):
    """A class of the library that replies with all that the model gave: outputs are compared."""

    def outputs(self, reply: Any, own: Outputs) -> Outputs:
        """Returns the outputs of a row that a reply tells of.

        Args:
            reply: Of the library. What of it is missing becomes no number.
            own: The student's outputs, in place of what no reply can tell.
        """
        ...
