"""What Google's Task Library asks of a model, as the task's own class of the library has it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LibraryOutput:
    """An output under the library's name.

    Attributes:
        name: The library's.
        source: The student's output that it is made of.
        is_probability: Whether it is that output's softmax, or the output itself.
        labels: What its numbers are called, by place; empty where they have no names.
    """

    name: str
    source: str
    is_probability: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LibraryModel:
    """A model of one length with some outputs.

    Attributes:
        seq_len: Tokens that the library pads every text to.
        outputs: In the library's order.
    """

    seq_len: int
    outputs: tuple[LibraryOutput, ...]
