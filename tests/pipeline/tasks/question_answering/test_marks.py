import pytest

from pipeline.tasks.question_answering.marks import mark
from pipeline.tasks.task import Piece

TEXT = "the tower was lit in 1871 by Rennie"


def marked(pieces: tuple[Piece, ...]) -> list[tuple[str, str]]:
    kinds = {(True, True): "both", (True, False): "ours", (False, True): "theirs"}
    return [(piece.text, kinds.get((piece.is_reference, piece.is_answer), "")) for piece in pieces]


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ((21, 25), (21, 25), [("the tower was lit in ", ""), ("1871", "both"), (" by Rennie", "")]),
        (
            (18, 25), (21, 35),
            [
                ("the tower was lit ", ""), ("in ", "ours"), ("1871", "both"),
                (" by Rennie", "theirs"),
            ],
        ),
        (
            (0, 9), (29, 35),
            [("the tower", "ours"), (" was lit in 1871 by ", ""), ("Rennie", "theirs")],
        ),
        (
            (0, 35), (4, 9),
            [("the ", "ours"), ("tower", "both"), (" was lit in 1871 by Rennie", "ours")],
        ),
        ((4, 9), (0, 0), [("the ", ""), ("tower", "ours"), (" was lit in 1871 by Rennie", "")]),
    ],
    ids=["same", "overlapping", "apart", "inside", "no answer"],
)  # fmt: skip
def test_mark_cuts_at_the_ends_of_both_answers(reference, answer, expected) -> None:
    assert marked(mark(TEXT, reference, answer)) == expected


def test_mark_leaves_out_what_is_far_from_both() -> None:
    text = "a" * 1000 + "answer" + "b" * 1000
    pieces = mark(text, (1000, 1006), (1000, 1006))
    assert [piece.text for piece in pieces][::4] == ["…", "…"]
    assert "".join(piece.text for piece in pieces[1:-1]) == "a" * 160 + "answer" + "b" * 160
