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
    from pipeline.evaluate import Evaluation, Scores
    from pipeline.tasks.task import Kind


def evaluate(
    target: Annotated[str, typer.Argument(metavar="(MODEL|BUNDLE)", help="What to score.")],
    data: Annotated[Path, typer.Option(help=DATA_HELP)],
    runtime: Runtimes = None,
    limit: Limit = None,
    reference: Reference = None,
    as_json: AsJson = False,
) -> int:
    """Scores answers to labelled examples as the task's official script does.

    For question answering that is exact match and F1 of SQuAD 1.1, or, where the data holds
    questions without an answer, of SQuAD 2.0: then "no answer" is an answer, given where [CLS] is
    ahead of the best span. For text classification it is accuracy and macro F1, and with two labels
    Matthews' correlation; micro and macro F1 and exact match for several labels; the correlations
    of Pearson and Spearman for a number. An example that cannot be read counts as wrong, and is
    named; how many texts were cut is told, too.
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
                **score.to_json(),
                **{kind: some.to_json() for kind, some in result.by_kind.get(name, {}).items()},
            }
            for name, score in result.scores.items()
        ],
        "skipped": [asdict(each) for each in result.not_done],
    }
    if result.unreadable:
        payload["unreadable"] = [asdict(each) for each in result.unreadable]
    if result.num_cut:
        payload["num_cut"] = result.num_cut
    titles = {score.name: score.title for score in result.task.SCORES}
    table = tables.table("runtime", *titles.values(), f"{result.task.NOUN}s")
    for name, score in result.scores.items():
        figures = [f"{score.values[each]:.2f}" for each in titles]
        table.add_row(name, *figures, str(score.count))
    remarks = tables.unreadable(result.unreadable, "counted as wrong", task=result.task)
    remarks += tables.cut(result.num_cut, task=result.task)
    remarks += tables.remarks(result.scores, result.not_done)
    show(payload, as_json, table, *_kinds(result), *remarks)
    return result.exit_code


def _kinds(result: "Evaluation") -> list[str]:
    """Returns a line for each runtime on the kinds of examples that the task tells apart."""

    def told(kind: "Kind", found: "Scores | None") -> str:
        if found is None:
            return f"no {result.task.NOUN} {kind.about}"
        figures = ", ".join(
            f"{score.title} {found.values[score.name]:.2f}" for score in result.task.SCORES
        )
        return f"{found.count} {kind.about}: {figures}"

    return [
        f"{name}: " + "; ".join(told(kind, kinds.get(kind.name)) for kind in result.kinds)
        for name, kinds in result.by_kind.items()
    ]
