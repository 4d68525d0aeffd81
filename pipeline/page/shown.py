"""What the page is told, as JSON values: answers, where in the text they lie, and how likely."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.files.canonical import json_value
from pipeline.on_device.wordpiece import utf16_offsets
from pipeline.page.asking import Answered, Compared, Event, Stopped
from pipeline.page.served import without_folders
from pipeline.running.jobs import WorkerCrash
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.question_answering.spans import OUTPUT_NAMES
from pipeline.tasks.task import Encoded, Task

MAX_HEAT = 400
"""Tokens of a strip of heat: those that are likeliest."""
LEAST_HEAT = 0.001
"""A probability that can be seen."""


def as_json(event: Event, *, task: Task) -> dict[str, Any]:
    """Returns what the page is told of an event."""
    if isinstance(event, Answered):
        return _answer(event, task)
    if isinstance(event, Compared):
        return _value(
            kind="compared", id=event.answerer.id, place=event.place, outcome=event.outcome,
            margin=event.margin,
        )  # fmt: skip
    if isinstance(event, Stopped):
        return _value(
            kind="stopped", id=event.answerer.id, has_crashed=isinstance(event.error, WorkerCrash),
            message=without_folders(event.error.message), hint=without_folders(event.error.hint),
        )  # fmt: skip
    return {"kind": "finished"}


def _answer(event: Answered, task: Task) -> dict[str, Any]:
    content: dict[str, Any] = {
        **task.to_json(event.answer),
        **task.stated(event.encoded, event.answer),
    }
    if isinstance(task, QuestionAnswering):
        content["prefers_none"] = event.answer.prefers_none
        content["heat"] = heat(event.encoded, event.outputs)
    return _value(
        kind="answer", id=event.answerer.id, place=event.place, latency_ms=event.latency_ms,
        num_rows=len(event.encoded.rows), answer=content,
    )  # fmt: skip


def _value(**fields: Any) -> dict[str, Any]:
    content: dict[str, Any] = json_value(fields)
    return content


def heat(encoded: Encoded, outputs: Sequence[Mapping[str, np.ndarray]]) -> list[list[float]]:
    """Returns how likely an answer begins or ends at which tokens of the text.

    Each is a softmax over the tokens of all windows; of a token in several windows the likeliest.

    Args:
        encoded: A question and its context.
        outputs: For each window the logits by name, each ``(1, seq_len) float32``.

    Returns:
        ``[begin, stop, start probability, end probability]`` of the likeliest tokens, in the order
        of the text; ``begin`` and ``stop`` count UTF-16 units, as a browser does.
    """
    spans = [span for row in encoded.rows for span in row.offsets]
    if not spans:
        return []
    start, end = (_softmax(_of_context(encoded, outputs, name)) for name in OUTPUT_NAMES)
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for span, first, last in zip(spans, start.tolist(), end.tolist(), strict=True):
        before = found.get(span, (0.0, 0.0))
        found[span] = max(before[0], first), max(before[1], last)
    likeliest = sorted(found, key=lambda span: -max(found[span]))[:MAX_HEAT]
    seen = sorted(span for span in likeliest if max(found[span]) >= LEAST_HEAT)
    places = utf16_offsets(encoded.texts["context"], seen)
    return [
        [*place, *(round(value, 4) for value in found[span])]
        for place, span in zip(places, seen, strict=True)
    ]


def _of_context(
    encoded: Encoded, outputs: Sequence[Mapping[str, np.ndarray]], name: str
) -> np.ndarray:
    """Returns the logits of all tokens of the context, window after window."""
    return np.concatenate(
        [
            np.asarray(logits[name], np.float64)[0, row.first : row.first + len(row.offsets)]
            for row, logits in zip(encoded.rows, outputs, strict=True)
        ]
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities; zeros where a logit is no finite number."""
    if not np.isfinite(logits).all():
        return np.zeros_like(logits)
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())
