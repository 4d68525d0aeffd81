"""What the page says of a bundle: what it was made of, its sizes, verdicts and licences."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from converters import backends
from pipeline.page.served import Served, without_folders
from pipeline.report.page import FILE_NAME as REPORT
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.text_classification import TextClassification

MAX_SAMPLES = 6
"""Texts to begin with."""
MAX_QUESTIONS = 4
"""Of a sample."""


def facts_of(served: Served) -> dict[str, Any]:
    """Returns what a template shows of a bundle."""
    manifest = served.opened.manifest
    artifacts = [part for part in manifest.artifacts if served.opened.has(part)]
    largest = max(part.size_bytes for part in artifacts)
    return {
        "number": served.number,
        "name": served.name,
        "student": manifest.student,
        "task": served.task.NAME,
        "labels": manifest.task.labels,
        "artifacts": [
            {"part": part, "share": part.size_bytes / largest, "requires": dict(part.requires)}
            for part in artifacts
        ],
        "verdicts": manifest.verdicts,
        "versions": manifest.versions,
        "licences": manifest.licences,
        "pocketbert_version": manifest.pocketbert_version,
        "skipped": served.skipped,
        "has_report": (served.opened.folder / REPORT).is_file(),
    }


def state_of(served: Served) -> dict[str, Any]:
    """Returns what a bundle's runtimes do at the moment, as JSON values."""
    return {
        "number": served.number,
        "name": served.name,
        "task": served.task.NAME,
        "engines": [
            {
                "id": each.id,
                "runtime": each.runtime,
                "precision": "fp32" if each.artifact is None else each.artifact.precision,
                "note": "" if each.artifact is None else backends.runtime(each.runtime).note,
                "stage": each.engine.state.stage,
                "reason": without_folders(each.engine.state.reason),
                "num_crashes": each.engine.state.num_crashes,
            }
            for each in served.answerers
        ],
        "skipped": [
            {"runtime": each.runtime, "reason": without_folders(each.reason)}
            for each in served.skipped
        ],
    }


def rules_of(served: Served) -> dict[str, Any]:
    """Returns what the page itself must know of a task: bounds, pairs, texts to begin with."""
    task = served.task
    content: dict[str, Any] = {"max_characters": served.opened.manifest.task.rules.get(
        "max_text_characters", 200_000
    )}  # fmt: skip
    if isinstance(task, QuestionAnswering):
        content["samples"] = list(_passages(task))
    elif isinstance(task, TextClassification):
        content["pair"] = task.rules.pair
        content["samples"] = [
            {"text": each.text, "pair": each.text_pair}
            for each in task.own_examples()[:MAX_SAMPLES]
        ]
    return content


def _passages(task: QuestionAnswering) -> Iterator[dict[str, Any]]:
    groups = groupby(task.own_examples(), key=lambda each: each.context)
    for _, (context, questions) in zip(range(MAX_SAMPLES), groups, strict=False):
        asked = [each.question for each in questions][:MAX_QUESTIONS]
        yield {"title": f"{context[:40].rsplit(' ', 1)[0]} …", "text": context, "questions": asked}
