import pytest
import torch

from pipeline.distillation.objective import Batch, pad, padded_len, seeded


@pytest.mark.parametrize(("num_tokens", "length"), [(1, 8), (8, 8), (9, 16), (384, 384)])
def test_padded_len_is_the_next_multiple_of_eight(num_tokens, length):
    assert padded_len(num_tokens) == length


def test_pad_fills_every_row_to_one_length():
    padded = pad([[1, 2, 3], list(range(9)), []], value=7)
    assert padded.dtype == torch.int64
    assert padded.tolist() == [
        [1, 2, 3, *[7] * 13],
        [*range(9), *[7] * 7],
        [7] * 16,
    ]


def test_seeded_depends_on_every_part_and_on_their_order():
    def draw(*parts: int) -> float:
        return seeded(*parts).random()

    assert draw(1, 2, 3) == draw(1, 2, 3)
    others = [(1, 2), (1, 2, 4), (3, 2, 1), (12, 3), (1, 23), (0, 2, 3), (-1, 2, 3)]
    assert len({draw(*parts) for parts in [(1, 2, 3), *others]}) == len(others) + 1


def test_seeded_is_the_same_on_every_machine():
    """Drawn once and written down: runs that are resumed elsewhere depend on it."""
    rng = seeded(0, 1, 2)
    assert [rng.randint(0, 999) for _ in range(4)] == [759, 979, 30, 526]


@pytest.fixture
def batch() -> Batch:
    return Batch(
        names=("a", "b", "c", "d", "e"),
        inputs={"input_ids": torch.arange(10).reshape(5, 2)},
        targets=torch.arange(5),
        after={"epoch": 0, "batch": 1},
    )


def test_rows_of_several_parts_are_all_rows_once(batch):
    parts = [batch.rows(slice(number, None, 3)) for number in range(3)]
    assert [part.names for part in parts] == [("a", "d"), ("b", "e"), ("c",)]
    for part in parts:
        assert torch.equal(part.inputs["input_ids"], batch.inputs["input_ids"][part.targets])
        assert part.after == batch.after
    assert sorted(torch.cat([part.targets for part in parts]).tolist()) == [0, 1, 2, 3, 4]


def test_to_moves_all_tensors(batch):
    moved = batch.to(torch.device("meta"))
    assert moved.inputs["input_ids"].device.type == moved.targets.device.type == "meta"
    assert (moved.names, moved.after) == (batch.names, batch.after)
