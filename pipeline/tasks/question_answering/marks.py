"""Marks the answers of a student and of an artifact in their context."""

from itertools import pairwise

from pipeline.tasks.task import Piece

_CONTEXT_CHARS = 160
"""Characters of the text before and after what is marked."""


def mark(text: str, reference: tuple[int, int], answer: tuple[int, int]) -> tuple[Piece, ...]:
    """Cuts a text at the ends of two spans, and away what is far from both.

    Args:
        text: In which both lie.
        reference: Start and end of the student's answer, in characters.
        answer: Start and end of the artifact's.
    """
    first = max(0, min(reference[0], answer[0]) - _CONTEXT_CHARS)
    last = min(len(text), max(reference[1], answer[1]) + _CONTEXT_CHARS)
    cuts = sorted({first, last, *reference, *answer})
    pieces = [
        Piece(
            text=text[begin:end],
            is_reference=reference[0] <= begin < reference[1],
            is_answer=answer[0] <= begin < answer[1],
        )
        for begin, end in pairwise(cuts)
    ]
    beyond = Piece(text="…")
    return (*([beyond] if first else []), *pieces, *([beyond] if last < len(text) else []))
