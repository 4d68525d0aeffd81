"""The command ``eval``."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.console import (
    DATA_HELP,
    AsJson,
    Limit,
    Reference,
    Runtimes,
    num_threads,
    show,
)

if TYPE_CHECKING:
    from pipeline.evaluate import Evaluation
    from pipeline.tasks.question_answering.squad import Score


def evaluate(
    target: Annotated[str, typer.Argument(metavar="(MODEL|BUNDLE)", help="What to score.")],
    data: Annotated[Path, typer.Option(help=DATA_HELP)],
    runtime: Runtimes = None,
    limit: Limit = None,
    reference: Reference = None,
    as_json: AsJson = False,
) -> int:
    """Scores exact match and F1 as the official SQuAD script does.

    That of SQuAD 1.1, or, where the data holds questions without an answer, that of SQuAD 2.0: then
    "no answer" is an answer, given where [CLS] is ahead of the best span. A question that cannot be
    read counts as wrong, and is named.
    """
    from pipeline import evaluate as flow
    from pipeline.report import tables
    from pipeline.running.run import Run

    result = flow.evaluate(
        target,
        data=data,
        limit=limit,
        names=runtime or (),
        named_reference=reference,
        run=Run(num_threads=num_threads()),
    )
    payload: dict[str, object] = {
        "results": [
            {
                "runtime": name,
                **asdict(score),
                **{kind: asdict(some) for kind, some in result.by_kind.get(name, {}).items()},
            }
            for name, score in result.scores.items()
        ],
        "skipped": [asdict(each) for each in result.not_done],
    }
    if result.unreadable:
        payload["unreadable"] = [asdict(each) for each in result.unreadable]
    table = tables.table("runtime", "exact match", "F1", "questions")
    for name, score in result.scores.items():
        table.add_row(name, f"{score.exact_match:.2f}", f"{score.f1:.2f}", str(score.count))
    remarks = tables.unreadable(result.unreadable, "counted as wrong")
    remarks += tables.remarks(result.scores, result.not_done)
    show(payload, as_json, table, *_kinds(result), *remarks)
    return result.exit_code


def _kinds(result: "Evaluation") -> list[str]:
    """Returns a line for each runtime on questions with and without an answer."""

    def told(about: str, score: "Score | None") -> str:
        if score is None:
            return f"no question {about}"
        return f"{score.count} {about}: exact match {score.exact_match:.2f}, F1 {score.f1:.2f}"

    return [
        f"{name}, by the rules of SQuAD 2.0: {told('with an answer', kinds.get('has_answer'))}; "
        f"{told('without', kinds.get('no_answer'))}"
        for name, kinds in result.by_kind.items()
    ]
