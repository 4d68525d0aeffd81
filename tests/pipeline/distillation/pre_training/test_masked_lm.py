import itertools
import json
import math
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from converters.values.errors import InputError
from pipeline.distillation.objective import Batch
from pipeline.distillation.pre_training import masked_lm
from pipeline.distillation.pre_training.masked_lm import (
    MIN_TOKENS,
    NOT_ASKED,
    MaskedLanguageObjective,
)
from tests.pipeline.distillation.small_data import word_tokenizer, words_of

WORDS = [f"w{number}" for number in range(300)]
PAD, UNK, CLS, SEP, MASK = range(5)


@pytest.fixture(scope="module")
def words():
    return word_tokenizer(" ".join(WORDS))


def line(number: int, num_words: int) -> str:
    return " ".join(random.Random(number).choices(WORDS, k=num_words))


@pytest.fixture
def objective(tmp_path, words):
    """Makes an objective over lines of text, the first two of which are held out."""

    def make(lines=(), paths=None, **settings):
        path = tmp_path / "text.txt"
        path.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")
        defaults = {
            "evaluation": None, "num_held_out": 2, "tokenizer": words, "batch_size": 4,
            "max_seq_len": 32, "seed": 0,
        }  # fmt: skip
        return MaskedLanguageObjective(paths or [path], **(defaults | settings))

    return make


LINES = [line(number, 10 + number % 9) for number in range(32)]


def take(made: MaskedLanguageObjective, count: int, start=None) -> list[Batch]:
    return list(itertools.islice(made.batches(start), count))


def epoch_of(made: MaskedLanguageObjective, epoch: int = 0) -> list[Batch]:
    """Returns the batches of one epoch; the objective makes batches of one row."""
    batches = made.batches({"epoch": epoch, "line": 0, "sequence": 0})
    return list(itertools.takewhile(lambda batch: batch.after["epoch"] == epoch, batches))


def texts(batch: Batch, tokenizer) -> list[str]:
    """Returns a batch's rows as they were before words were masked, without special tokens."""
    ids = torch.where(batch.targets == NOT_ASKED, batch.inputs["input_ids"], batch.targets)
    rows = [row[mask == 1] for row, mask in zip(ids, batch.inputs["attention_mask"], strict=True)]
    assert all((row[0], row[-1]) == (CLS, SEP) for row in rows)
    return [words_of(tokenizer, row[1:-1]) for row in rows]


def same(one: Batch, other: Batch) -> bool:
    return (
        (one.names, one.after) == (other.names, other.after)
        and all(torch.equal(one.inputs[name], other.inputs[name]) for name in one.inputs)
        and torch.equal(one.targets, other.targets)
    )


# What is masked


def test_mask_hides_fifteen_per_cent_and_of_these_eighty_ten_and_ten(objective):
    made = objective([line(n, 60) for n in range(602)], batch_size=100, max_seq_len=64)
    counts: Counter[str] = Counter()
    for batch in take(made, 6):
        ids, targets = batch.inputs["input_ids"], batch.targets
        counts["words"] += int((batch.inputs["attention_mask"].sum(1) - 2).sum())
        asked = targets != NOT_ASKED
        counts["asked"] += int(asked.sum())
        counts["hidden"] += int((ids == MASK).sum())
        counts["kept"] += int((ids == targets).sum())
        counts["random"] += int((asked & (ids != MASK) & (ids != targets)).sum())
    assert counts["words"] == 600 * 60
    # Four standard deviations; one random word in 305 is the right one by chance.
    assert counts["asked"] / counts["words"] == pytest.approx(0.15, abs=0.0076)
    assert counts["hidden"] / counts["asked"] == pytest.approx(0.8, abs=0.022)
    assert counts["kept"] / counts["asked"] == pytest.approx(0.1, abs=0.017)
    assert counts["random"] / counts["asked"] == pytest.approx(0.1, abs=0.017)


def test_mask_asks_for_words_alone(objective):
    """The text itself may hold special tokens, and words that the vocabulary lacks."""
    odd = "[MASK] [SEP] [CLS] [PAD] zebra "
    made = objective([odd * 3 + line(n, 5 + n % 7) for n in range(102)], batch_size=100)
    for batch in take(made, 20):
        targets = batch.targets[batch.targets != NOT_ASKED]
        assert len(targets) > 50
        assert int(targets.min()) > MASK
        ids, attention = batch.inputs["input_ids"], batch.inputs["attention_mask"]
        assert (ids[:, 0] == CLS).all()
        assert (ids[attention == 0] == PAD).all()
        assert (batch.targets[attention == 0] == NOT_ASKED).all()
        assert (attention == 0).any()
        ends = ids.gather(1, attention.sum(1, keepdim=True) - 1)
        assert (ends == SEP).all()
        assert (ids[:, 1:6] == torch.tensor([MASK, SEP, CLS, PAD, UNK])).all()


def test_mask_differs_between_epochs_and_not_between_runs(objective, words):
    lines = [line(number, 20) for number in range(32)]
    made = objective(lines, batch_size=1)
    first, second = (epoch_of(made, epoch) for epoch in (0, 1))

    def masks(epoch: list[Batch]) -> dict[str, tuple[bool, ...]]:
        return {
            texts(batch, words)[0]: tuple((batch.targets[0] != NOT_ASKED).tolist())
            for batch in epoch
        }

    before, after = masks(first), masks(second)
    assert before.keys() == after.keys()
    assert sum(before[text] != after[text] for text in before) > 25, "of each line"
    assert sum(map(tuple.__ne__, before.values(), after.values())) > 25, "at each place"
    assert all(map(same, epoch_of(objective(lines, batch_size=1)), first))
    assert not any(map(same, epoch_of(objective(lines, batch_size=1, seed=1)), first))


# Which text is read


def test_epoch_holds_each_line_once_in_a_shuffled_order(objective, words):
    made = objective(LINES, batch_size=1)
    orders = [[texts(batch, words)[0] for batch in epoch_of(made, epoch)] for epoch in (0, 1)]
    for order in orders:
        assert sorted(order) == sorted(LINES[2:])
        assert order != LINES[2:]
    assert orders[0] != orders[1]


def test_short_lines_are_left_out_and_long_ones_cut(objective, words):
    room = 30
    lengths = [0, 1, MIN_TOKENS - 3, MIN_TOKENS - 2, room, room + 9, room + 10, 3 * room + 1]
    lines = [line(number, length) for number, length in enumerate(lengths)]
    made = objective([*LINES[:2], *lines], batch_size=1)
    found = sorted(texts(batch, words)[0] for batch in epoch_of(made))
    pieces = [
        " ".join(each.split()[i : i + room])
        for each in lines
        for i in range(0, len(each.split()), room)
    ]
    assert found == sorted(piece for piece in pieces if len(piece.split()) >= MIN_TOKENS - 2)
    assert sorted(len(piece.split()) for piece in found) == [10, 10, *[30] * 6]


def test_batches_pad_to_a_multiple_of_eight_and_have_no_token_types(objective):
    for batch in take(objective(LINES), 8):
        ids, attention = batch.inputs["input_ids"], batch.inputs["attention_mask"]
        assert ids.shape == (4, -(-int(attention.sum(1).max()) // 8) * 8)
        assert not batch.inputs["token_type_ids"].any()
        assert len(batch.names) == 4


def write_parts(folder: Path) -> list[Path]:
    """Writes the lines as three files; their names are patterns, too, that fit none of them."""
    paths = [folder / f"[{number}] part.txt" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_text("\n".join(LINES[10 * number : 10 * number + 10]))
    return paths


def test_several_files_are_read_as_one_text(objective, words, tmp_path):
    made = objective(paths=write_parts(tmp_path), batch_size=1)
    found = sorted(texts(batch, words)[0] for batch in epoch_of(made))
    assert found == sorted(LINES[2:30])


def test_evaluation_text_leaves_all_lines_to_train_on(objective, words, tmp_path):
    apart = tmp_path / "apart.txt"
    apart.write_text(line(99, 20))
    made = objective(LINES, batch_size=1, evaluation=apart, num_held_out=30)
    assert sorted(texts(batch, words)[0] for batch in epoch_of(made)) == sorted(LINES)


# Going on from a position


@pytest.mark.parametrize(
    "lines",
    [LINES, [*LINES[:2], line(50, 200), line(51, 5), line(52, 95)], [*LINES[:2], line(53, 130)]],
    ids=["many lines", "lines of many pieces", "one line"],
)
def test_batches_from_any_position_are_those_of_a_run_without_interruption(objective, lines):
    for batch_size in (1, 3):
        made = objective(lines, batch_size=batch_size)
        count = 30
        whole = take(made, count)
        assert whole[-1].after["epoch"] > 0 or batch_size == 1
        for done in range(1, count - 3):
            position = json.loads(json.dumps(whole[done - 1].after))
            resumed = take(made, 3, position)
            assert all(map(same, resumed, whole[done : done + 3])), position


def test_batches_from_any_position_of_files_larger_than_the_shuffling_buffer(
    objective, words, tmp_path, monkeypatch
):
    monkeypatch.setattr(masked_lm, "SHUFFLE_BUFFER", 6)
    paths = write_parts(tmp_path)
    made = objective(paths=paths, evaluation=paths[0])
    whole = take(made, 20)
    read = [text for batch in whole for text in texts(batch, words)]
    assert sorted(read[:30]) == sorted(LINES[:30])
    assert read[:30] not in (LINES[:30], read[30:60])
    for done in range(1, 18):
        assert all(map(same, take(made, 2, whole[done - 1].after), whole[done : done + 2]))


def test_batches_of_a_text_smaller_than_a_batch_go_over_it_again(objective, words):
    made = objective(LINES[:5], batch_size=8)
    first, second = take(made, 2)
    assert Counter(texts(first, words) + texts(second, words)).keys() == set(LINES[2:5])
    assert (first.after["epoch"], second.after["epoch"]) == (2, 5)


# Text that cannot be used


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "there is no text to judge the student by"),
        ([line(0, 5)] * 9, "there is no text to judge the student by"),
        (LINES[:2], "the text holds no line of 12 tokens or more to train"),
        ([*LINES[:2], *[line(0, 5)] * 9], "the text holds no line of 12 tokens or more to train"),
    ],
    ids=["empty", "short lines", "all held out", "short lines to train on"],
)  # fmt: skip
def test_text_without_lines_is_refused(objective, lines, message):
    with pytest.raises(InputError, match=message) as caught:
        objective(lines)
    assert "--held-out" in caught.value.hint


def test_absent_text_and_folder_are_refused(objective, tmp_path):
    for path in (tmp_path / "absent.txt", tmp_path):
        with pytest.raises(InputError, match="there is no text file"):
            objective(LINES, evaluation=path)


def test_text_that_is_not_utf8_is_named_with_file_and_line(objective, tmp_path):
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("\n".join(LINES))
    bad.write_bytes("\n".join([*LINES[:9], f"café {LINES[9]}", *LINES[10:]]).encode("latin-1"))
    match = r"bad\.txt, line 10 is not UTF-8: .* at byte 3"
    with pytest.raises(InputError, match=match):
        objective(LINES, evaluation=bad)
    made = objective(paths=[good, bad])
    with pytest.raises(InputError, match=match):
        take(made, 40)


# What is minimized, and how the student is judged


def test_losses_are_over_tokens_and_masked_words(objective):
    (batch,) = take(objective(LINES), 1)
    attention, asked = batch.inputs["attention_mask"] == 1, batch.targets != NOT_ASKED
    num_tokens, num_asked = int(attention.sum()), int(asked.sum())
    assert 0 < num_asked < num_tokens < attention.numel()
    made = objective(LINES)
    assert made.num_terms(batch) == {"soft": num_tokens, "hard": num_asked, "cosine": num_tokens}
    generator = torch.Generator().manual_seed(0)
    outputs = SimpleNamespace(logits=torch.randn(*attention.shape, 305, generator=generator))
    assert torch.equal(made.logits(outputs, batch), outputs.logits[attention])
    expected = functional.cross_entropy(
        outputs.logits.flatten(0, 1), batch.targets.flatten(), ignore_index=-100, reduction="sum"
    )
    assert made.hard_loss(outputs, batch).item() == pytest.approx(expected.item(), rel=1e-5)


class Echo(torch.nn.Module):
    """Says of each token, with 10 logits, that it is what it is given as."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(10.0))
        self.num_kept = self.num_rows = 0

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        assert torch.equal(attention_mask == 0, input_ids == PAD)
        self.num_rows += len(input_ids)
        return SimpleNamespace(logits=functional.one_hot(input_ids, 305) * self.weight)


def test_evaluate_counts_the_masked_words_that_were_found(objective, tmp_path):
    apart = tmp_path / "apart.txt"
    apart.write_text("\n".join(line(number, 28) for number in range(150)))
    made = objective(LINES, batch_size=16, evaluation=apart)
    model = Echo()
    results = made.evaluate(model, part=slice(None))
    assert model.num_rows == 150
    scores = made.score(results)
    assert set(scores) == {"masked_accuracy", "masked_loss"}
    share = scores["masked_accuracy"] / 100
    assert 0.06 < share < 0.15, "those that kept their word"
    right = math.log(math.exp(10) + 304) - 10
    assert scores["masked_loss"] == pytest.approx(right + 10 * (1 - share), rel=1e-5)
    parts = [made.evaluate(model, part=slice(number, None, 3)) for number in range(3)]
    assert sorted(itertools.chain(*parts)) == sorted(results)
    assert made.evaluate(model, part=slice(None)) == results, "masked alike each time"


def test_score_of_no_masked_word_is_zero(objective):
    made = objective(LINES)
    assert made.score([(0, 0.0, 0)]) == {"masked_accuracy": 0, "masked_loss": 0}
    assert made.score([(3, 6.0, 4), (1, 2.0, 12)]) == {"masked_accuracy": 25, "masked_loss": 0.5}
    assert made.metric in made.score([])
