import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from pipeline.distillation.journal import LOG_EVERY, Journal, draw_losses, read_log


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "log.jsonl"


def run(log: Path, *, first: int, last: int, num_steps: int = 45, is_main: bool = True) -> None:
    """Tells a journal of the updates from first to last, and of an evaluation after each 20."""
    journal = Journal(log, num_steps=num_steps, is_main=is_main)
    with journal.shown():
        journal.begin(first - 1)
        for step in range(first, last + 1):
            losses = {"loss": float(step), "hard": 1.0, "soft": step - 1.0}
            journal.update(step, losses, learning_rate=1e-4 / step)
            if step % 20 == 0:
                journal.evaluated(step, {"exact_match": 1.0, "f1": float(step)})


def strict(log: Path) -> list[dict[str, Any]]:
    """Reads a log as readers do that know no NaN."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in log.read_text().splitlines()]


# The log


def test_log_has_a_line_of_means_for_every_ten_updates_and_for_the_last(log):
    run(log, first=1, last=45)
    assert LOG_EVERY == 10
    updates = [line for line in strict(log) if "loss" in line]
    assert [line["step"] for line in updates] == [10, 20, 30, 40, 45]
    assert [line["loss"] for line in updates] == [5.5, 15.5, 25.5, 35.5, 43.0]
    assert [line["soft"] for line in updates] == [4.5, 14.5, 24.5, 34.5, 42.0]
    assert {line["hard"] for line in updates} == {1.0}
    assert [line["learning_rate"] for line in updates] == [1e-4 / line["step"] for line in updates]
    assert all(set(line) == {"step", "loss", "hard", "soft", "learning_rate", "seconds"}
               for line in updates)  # fmt: skip


def test_log_has_a_line_for_every_evaluation_in_order(log):
    run(log, first=1, last=45)
    lines = strict(log)
    assert [line["step"] for line in lines] == [10, 20, 20, 30, 40, 40, 45]
    evaluations = [line for line in lines if "evaluation" in line]
    assert [line["evaluation"] for line in evaluations] == [
        {"exact_match": 1.0, "f1": 20.0}, {"exact_match": 1.0, "f1": 40.0},
    ]  # fmt: skip
    assert all(line["seconds"] >= 0 for line in lines)


def test_log_of_other_processes_is_not_written_and_nothing_is_printed(log, capfd):
    run(log, first=1, last=45, is_main=False)
    assert not log.exists()
    assert capfd.readouterr() == ("", "")


def test_log_holds_null_where_a_figure_is_not_finite(log):
    journal = Journal(log, num_steps=1, is_main=True)
    journal.update(1, {"loss": float("nan"), "hard": float("inf")}, learning_rate=0.1)
    journal.evaluated(1, {"masked_accuracy": 0.0, "masked_loss": float("-inf")})
    update, evaluation = strict(log)
    assert (update["loss"], update["hard"], update["learning_rate"]) == (None, None, 0.1)
    assert evaluation["evaluation"] == {"masked_accuracy": 0.0, "masked_loss": None}


# Going on


def test_begin_drops_what_was_logged_beyond_the_step(log):
    run(log, first=1, last=45)
    whole = strict(log)
    run(log, first=31, last=45)
    again = strict(log)
    for lines in (whole, again):
        for line in lines:
            del line["seconds"]
    assert again == whole


@pytest.mark.parametrize(("step", "kept"), [(0, 0), (9, 0), (20, 3), (25, 3), (45, 7)])
def test_begin_keeps_what_was_logged_up_to_the_step(log, step, kept):
    run(log, first=1, last=45)
    before = log.read_text().splitlines()
    Journal(log, num_steps=45, is_main=True).begin(step)
    assert log.read_text().splitlines() == before[:kept]
    assert list(log.parent.iterdir()) == [log]


def test_begin_drops_a_line_that_was_cut(log):
    run(log, first=1, last=20)
    whole = log.read_text()
    log.write_text(whole + '{"step": 5, "lo')
    assert len(read_log(log)) == 3
    Journal(log, num_steps=45, is_main=True).begin(20)
    assert log.read_text() == whole


def test_begin_without_a_log_makes_none(log):
    Journal(log, num_steps=45, is_main=True).begin(20)
    assert not log.exists()


def test_begin_of_another_process_leaves_the_log_alone(log):
    run(log, first=1, last=45)
    before = log.read_bytes()
    Journal(log, num_steps=45, is_main=False).begin(0)
    assert log.read_bytes() == before


# What a person reads where there is no terminal


def test_plain_lines_tell_of_evaluations_and_of_the_end(log, capsys):
    run(log, first=1, last=45)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "step 20: exact_match 1.00, f1 20.00",
        "step 40: exact_match 1.00, f1 40.00",
        "step 45 of 45, loss 43.000, 0 min left",
    ]


def test_plain_lines_come_once_a_minute_and_say_how_long_it_takes(log, capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    journal = Journal(log, num_steps=100, is_main=True)
    journal.begin(40)
    for step in range(41, 101):
        now += 9.0
        journal.update(step, {"loss": 1.0}, learning_rate=0.1)
    assert capsys.readouterr().err.splitlines() == [
        "step 50 of 100, loss 1.000, 8 min left",
        "step 60 of 100, loss 1.000, 6 min left",
        "step 70 of 100, loss 1.000, 4 min left",
        "step 80 of 100, loss 1.000, 3 min left",
        "step 90 of 100, loss 1.000, 2 min left",
        "step 100 of 100, loss 1.000, 0 min left",
    ]


# The picture


def num_coloured(picture: Path) -> int:
    """Returns the number of pixels that are neither black, white nor grey."""
    image = imread(picture, format="png")
    assert image.shape == (720, 960, 4)
    return int((np.ptp(image[..., :3], axis=-1) > 0.3).sum())


def test_picture_is_a_png_with_lines_in_colour(log):
    run(log, first=1, last=45)
    draw_losses(log, log.with_name("losses.png"))
    assert num_coloured(log.with_name("losses.png")) > 2000


@pytest.mark.parametrize("loss", [1.0, 0.0, float("nan")])
def test_picture_of_a_single_update_of_any_loss_is_drawn_without_a_warning(log, loss):
    journal = Journal(log, num_steps=1, is_main=True)
    journal.update(1, {"loss": loss, "hard": 2.0}, learning_rate=0.1)
    journal.evaluated(1, {"f1": loss, "exact_match": 50.0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_losses(log, log.with_name("losses.png"))
    assert num_coloured(log.with_name("losses.png")) > 50
