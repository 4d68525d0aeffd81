"""The command ``classify``."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from converters.values.errors import InputError
from pipeline.commands.console import (
    AsJson,
    BundlePath,
    Reference,
    Runtimes,
    error_json,
    num_threads,
    read_lines,
    show,
)

if TYPE_CHECKING:
    from pipeline.ask import Answers
    from pipeline.bundle.open import Bundle
    from pipeline.tasks.text_classification import TextClassification
    from pipeline.tasks.text_classification.labelled import LabelledText


def classify(
    bundle: BundlePath,
    text: Annotated[
        str | None, typer.Option("-t", "--text", help="The text. Read from stdin unless given.")
    ] = None,
    pair: Annotated[str | None, typer.Option(help="The second text, for a model of two.")] = None,
    runtime: Runtimes = None,
    reference: Reference = None,
    as_json: AsJson = False,
) -> int:
    """Labels a text in PyTorch and in every runtime, side by side.

    Without -t it reads UTF-8 texts from stdin, a line each, and answers each before it reads the
    next; of a model of two texts, both are on the line with a tab between them. A line that cannot
    be read is answered with what is wrong with it, and the exit code is 2 at the end.
    """
    from pipeline.bundle.open import open_bundle
    from pipeline.running.run import Run
    from pipeline.tasks import task_of_bundle
    from pipeline.tasks.text_classification import TextClassification

    if text is None and pair is not None:
        raise InputError("--pair goes with -t", hint="give both, or both texts on lines of stdin")
    with open_bundle(bundle) as opened:
        task = task_of_bundle(opened.manifest)
        if not isinstance(task, TextClassification):
            raise InputError(
                f"{bundle} is for {task.NAME}, and texts are classified by "
                f"{TextClassification.NAME}",
                hint="ask it with `pocketbert ask`, or give a bundle of a classifier",
            )
        run = Run(num_threads=num_threads())
        options = {"named_reference": reference, "names": runtime or (), "run": run}
        if text is not None:
            return _one(opened, task, text, pair, options, as_json=as_json)
        return _stream(opened, task, options, as_json=as_json)


def _one(
    opened: "Bundle",
    task: "TextClassification",
    text: str,
    pair: str | None,
    options: dict[str, Any],
    *,
    as_json: bool,
) -> int:
    """Classifies one text, and prints what every runtime says of it."""
    from pipeline.ask import ask
    from pipeline.report import tables
    from pipeline.tasks.text_classification.labelled import LabelledText

    asked = ask(opened, [LabelledText(id="text", text=text, text_pair=pair)], **options)
    table = tables.table("runtime", "answer", "ms", words=("answer",))
    for each in asked.done:
        table.add_row(each.runtime, escape(task.said(each.answers[0])), f"{each.latency_ms[0]:.1f}")
    remarks = [f"[yellow]{escape(each)}[/]" for each in asked.remarks]
    remarks += tables.remarks((each.runtime for each in asked.done), asked.not_done)
    show(_payload(task, asked), as_json, f"[bold]{escape(text)}[/]", table, *remarks)
    return asked.exit_code


def _stream(
    opened: "Bundle", task: "TextClassification", options: dict[str, Any], *, as_json: bool
) -> int:
    """Classifies the lines of stdin, and prints each answer before it reads the next line."""
    from pipeline.classify import Refused
    from pipeline.classify import classify as flow
    from pipeline.report import tables

    code, num_failed = 0, 0
    for example, answers in flow(opened, _examples(), **options):
        if isinstance(answers, Refused):
            code = code or answers.error.exit_code
            about = error_json(answers.error, answers.error.exit_code)
            payload: dict[str, Any] = {**example.texts, "error": about}
            line = f"[red]{escape(answers.error.message)}[/]"
            remarks = []
        else:
            code = code or answers.exit_code
            payload = {**example.texts, **_payload(task, answers)}
            said = [f"{each.runtime} {task.said(each.answers[0])}" for each in answers.done]
            line = escape(" · ".join(said))
            remarks = tables.remarks((), answers.not_done[len(answers.skipped) + num_failed :])
            num_failed = len(answers.failed)
        texts = escape(" / ".join(example.texts.values()))
        show(payload, as_json, f"{line}  [dim]{texts}[/]", *remarks)
    return code


def _examples() -> "Iterator[LabelledText]":
    """Yields the lines of stdin, a tab parting two texts."""
    from pipeline.tasks.text_classification.labelled import LabelledText

    lines = read_lines(sys.stdin.buffer, errors="surrogateescape")
    for number, line in enumerate(lines, start=1):
        text, tab, pair = line.partition("\t")
        yield LabelledText(id=f"line {number}", text=text, text_pair=pair if tab else None)


def _payload(task: "TextClassification", answers: "Answers") -> dict[str, Any]:
    """Returns what ``--json`` says of one text."""
    payload: dict[str, Any] = {
        "results": [
            {
                "runtime": each.runtime,
                **task.to_json(each.answers[0]),
                "latency_ms": round(each.latency_ms[0], 3),
            }
            for each in answers.done
        ],
        "skipped": [asdict(each) for each in answers.not_done],
    }
    if answers.remarks:
        payload["remarks"] = list(answers.remarks)
    return payload
