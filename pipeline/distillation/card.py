"""Writes a student's model card: what it was made from, how, and how good it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.student.load import Checkpoint

_NOT_SETTINGS = {"teacher", "student", "data", "evaluation", "num_held_out", "layer_map"}


def write_card(
    path: Path,
    *,
    student: "PreTrainedModel",
    teacher: "Checkpoint",
    run: Mapping[str, Any],
    command: str,
    scores: Mapping[str, float],
    best_step: int,
) -> None:
    """Writes ``README.md`` beside a student.

    Args:
        path: Where.
        student: The network.
        teacher: What it was distilled from; its licence is handed on.
        run: Settings and data, as ``run.json`` holds them.
        command: The line that made it.
        scores: Of the held-out data, at the best step.
        best_step: The update whose weights were kept.
    """
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    apart = f"{run['num_held_out']} or more, kept apart from the data"
    page = templates.get_template("student_card.md").render(
        name=path.absolute().parent.name,
        architecture=type(student).__name__,
        is_task=run["mode"] == "task",
        num_layers=student.config.num_hidden_layers,
        num_parameters=student.num_parameters(),
        teacher=teacher.name,
        licence=teacher.licence,
        layer_map=", ".join(map(str, run["layer_map"])),
        command=command,
        settings={name: value for name, value in run.items() if name not in _NOT_SETTINGS},
        data=run["data"],
        held_out=apart if run["evaluation"] is None else "a file of its own",
        scores=scores,
        best_step=best_step,
        steps=run["steps"],
    )
    path.write_text(page, encoding="utf-8")
