"""What the reference asks of a task: rows of its texts, and the answer of their outputs."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.bundle.vectors import Value
from pipeline.on_device.row import Row
from pipeline.on_device.wordpiece import WordPiece

Outputs = Mapping[str, Sequence[float]]
"""Of one row, by the output's name: a number for each place, padding too, or for each label."""


class DeviceTask(Protocol):
    """A task with the rules and labels of one bundle.

    Attributes:
        APPROXIMATE: Fields of an answer that may differ a little, such as ``score``. All others
            are the same everywhere.
    """

    APPROXIMATE: tuple[str, ...]

    def rows(
        self,
        texts: Mapping[str, str],
        *,
        tokenizer: WordPiece,
        settings: TokenizerPart,
        seq_lens: Sequence[int],
    ) -> list[Row]:
        """Returns the rows of an example.

        Args:
            texts: By name.
            tokenizer: Of the bundle.
            settings: Of the tokenizer, of the manifest.
            seq_lens: The artifact's lengths, ascending.

        Raises:
            InputError: A student cannot read a text.
        """
        ...

    def answer(
        self, texts: Mapping[str, str], rows: Sequence[Row], outputs: Sequence[Outputs]
    ) -> Mapping[str, Value | None]:
        """Returns the answer as ``vectors.json`` has it; ``outputs`` holds those of each row."""
        ...
