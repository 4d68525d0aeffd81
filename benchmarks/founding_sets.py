"""The sets of the founding table, from the files that are published to what the commands read."""

import csv
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Split = tuple[list[Row], list[Row]]
"""Rows to train on, and rows to judge by."""

APART = 0.15
"""Of a set without rows to judge by, what is kept apart."""

WRONG_SENTENCES = 3
"""For each question, beside those that answer it; the others are more of the same."""


@dataclass(frozen=True, kw_only=True)
class TextSet:
    """A set of labelled texts.

    Attributes:
        title: For people.
        read: Returns its rows from the folder of all data.
        problem_type: What is said of a text.
    """

    title: str
    read: Callable[[Path], Split]
    problem_type: str = "single_label_classification"


def write(name: str, *, data: Path, folder: Path, limit: int | None) -> tuple[Path, Path]:
    """Writes a set as lines of JSON, unless it is there, and returns both files.

    Args:
        name: One of ``SETS``.
        data: The folder with all that is published.
        folder: Is made.
        limit: Rows to train on, at most, and a fifth of it to judge by; drawn at random.
    """
    paths = folder / "train.jsonl", folder / "dev.jsonl"
    if not all(path.is_file() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        for path, rows, most in zip(
            paths, SETS[name].read(data), (limit, limit and limit // 5), strict=True
        ):
            random.Random(0).shuffle(rows)
            lines = [f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows[:most]]
            path.write_text("".join(lines), encoding="utf-8")
    return paths


def _table(path: Path, *, parted_by: str = "\t") -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        if parted_by == ",":
            yield from csv.reader(file)
        else:
            yield from (line.rstrip("\r\n").split(parted_by) for line in file)


def _labelled(rows: Iterable[list[str]]) -> list[Row]:
    return [{"text": text, "label": label} for text, label, *_ in rows if text.strip()]


def _with_dev(name: str) -> Callable[[Path], Split]:
    def read(data: Path) -> Split:
        train, dev = (
            _labelled(list(_table(data / name / f"{split}.tsv"))[1:]) for split in ("train", "dev")
        )
        return train, dev

    return read


def _clinc(data: Path) -> Split:
    content = json.loads((data / "clinc150" / "data_train_val.json").read_text(encoding="utf-8"))
    return (
        _labelled([*content["train"], *content["oos_train"]]),
        _labelled([*content["val"], *content["oos_val"]]),
    )


def _banking(data: Path) -> Split:
    return _part(
        _labelled(list(_table(data / "banking77" / "train.csv", parted_by=","))[1:]), "text"
    )


def _emotions(data: Path) -> Split:
    folder = data / "goemotions"
    names = (folder / "labels.txt").read_text(encoding="utf-8").split()
    train, dev = (
        [
            {"text": text, "label": [names[int(number)] for number in numbers.split(",")]}
            for text, numbers, _ in _table(folder / f"{split}.tsv")
            if text.strip()
        ]
        for split in ("train", "dev")
    )
    return train, dev


def _answers(data: Path) -> Split:
    rows = []
    draw = random.Random(0)
    content = json.loads((data / "selqa" / "selqa-ass-dev.json").read_text(encoding="utf-8"))
    for each in content:
        right = set(each["answers"])
        wrong = [place for place in range(len(each["candidates"])) if place not in right]
        for place in [*right, *draw.sample(wrong, min(len(wrong), WRONG_SENTENCES))]:
            label = "answers" if place in right else "does not"
            pair = {"text": each["question"], "text_pair": each["candidates"][place]}
            rows.append({**pair, "label": label})
    return _part([row for row in rows if row["text_pair"].strip()], "text")


def _part(rows: list[Row], by: str) -> Split:
    """Returns rows in two parts, such that what is alike in one column is on one side."""
    keys = sorted({row[by] for row in rows})
    random.Random(0).shuffle(keys)
    apart = set(keys[: round(APART * len(keys))])
    return [row for row in rows if row[by] not in apart], [row for row in rows if row[by] in apart]


SETS: Mapping[str, TextSet] = {
    "rotten_tomatoes": TextSet(title="sentiment", read=_with_dev("rotten_tomatoes")),
    "sms_spam": TextSet(title="spam", read=_with_dev("sms_spam")),
    "clinc150": TextSet(title="150 intents and none", read=_clinc),
    "banking77": TextSet(title="77 intents", read=_banking),
    "goemotions": TextSet(
        title="28 emotions", read=_emotions, problem_type="multi_label_classification"
    ),
    "selqa": TextSet(title="which sentence answers", read=_answers),
}
