"""The command ``ask``."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from converters.values.errors import InputError
from pipeline.commands.console import AsJson, BundlePath, Reference, Runtimes, num_threads, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ask import Asked


def ask(
    bundle: BundlePath,
    question: Annotated[str, typer.Option("-q", "--question", help="What to ask.")],
    passage: Annotated[str | None, typer.Option("-c", "--context", help="The text.")] = None,
    context_file: Annotated[Path | None, typer.Option(help="A file with the text.")] = None,
    runtime: Runtimes = None,
    reference: Reference = None,
    as_json: AsJson = False,
) -> int:
    """Answers a question in PyTorch and in every runtime, side by side.

    Any question gets an answer: the span of the text that fits best, though none may fit. The score
    compares that span with the others of the same text, 0 to 1; it does not say whether the text
    holds an answer, nor whether this one is right.
    """
    from pipeline import ask as flow
    from pipeline.bundle.open import open_bundle
    from pipeline.report import tables
    from pipeline.running.run import Run
    from pipeline.tasks.question_answering import QuestionAnswering
    from pipeline.tasks.question_answering.squad import Question

    asked_about = _context(passage, context_file)
    example = Question(id="question", question=question, context=asked_about, answers=())
    with open_bundle(bundle) as opened:
        if opened.manifest.task.name != QuestionAnswering.NAME:
            raise InputError(
                f"{bundle} is for {opened.manifest.task.name}, and questions are asked of "
                f"{QuestionAnswering.NAME}",
                hint="give a bundle of a student that answers questions",
            )
        asked = flow.ask(
            opened,
            [example],
            named_reference=reference,
            names=runtime or (),
            run=Run(num_threads=num_threads()),
        )
    payload: dict[str, object] = {
        "answers": [
            {
                "runtime": each.runtime,
                **QuestionAnswering().to_json(each.answers[0]),
                "latency_ms": round(each.latency_ms[0], 3),
            }
            for each in asked.done
        ],
        "skipped": [asdict(each) for each in asked.not_done],
    }
    said = [*asked.remarks, *_without_answer(asked.done)]
    if said:
        payload["remarks"] = said
    table = tables.table("runtime", "answer", "characters", "score", "ms", words=("answer",))
    for each in asked.done:
        answer = each.answers[0]
        table.add_row(
            each.runtime,
            escape(answer.text),
            f"{answer.start}-{answer.end}",
            f"{answer.score:.3f}",
            f"{each.latency_ms[0]:.1f}",
        )
    remarks = [f"[yellow]{escape(each)}[/]" for each in said]
    remarks += tables.remarks((each.runtime for each in asked.done), asked.not_done)
    show(payload, as_json, f"[bold]{escape(question)}[/]", table, *remarks)
    return asked.exit_code


def _without_answer(done: "Sequence[Asked]") -> list[str]:
    """Says which runtimes put "no answer" before the span that they are shown with."""
    names = [each.runtime for each in done if each.answers[0].prefers_none]
    if not names:
        return []
    return [
        f'{", ".join(names)}: "no answer" is ahead of this span; a student that was trained on '
        "questions without an answer says so that the text holds none"
    ]


def _context(passage: str | None, path: Path | None) -> str:
    if (passage is None) == (path is None):
        raise InputError("give either -c TEXT or --context-file FILE", hint="one of the two")
    if path is None:
        assert passage is not None
        return passage
    try:
        # Answers count its characters, so line ends stay as they are in the file.
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, IsADirectoryError) as err:
        raise InputError(f"no file {path}", hint="check --context-file") from err
    except UnicodeDecodeError as err:
        raise InputError(
            f"{path} is not UTF-8: {err.reason} at byte {err.start}", hint="save it as UTF-8"
        ) from err
