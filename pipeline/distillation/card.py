"""Writes a model card: what it was made from, how, and how good it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.student.load import Checkpoint

_NOT_SETTINGS = {
    "teacher", "student", "model", "data", "texts", "evaluation", "num_held_out", "layer_map",
}  # fmt: skip
_TAGS = {
    "QuestionAnswering": "question-answering",
    "SequenceClassification": "text-classification",
}
"""What the Hub calls a task, by the head."""


def write_card(
    path: Path,
    *,
    model: "PreTrainedModel",
    origin: "Checkpoint",
    run: Mapping[str, Any],
    command: str,
    scores: Mapping[str, float],
    best_step: int,
) -> None:
    """Writes ``README.md`` beside a model that was trained.

    Args:
        path: Where.
        model: The network.
        origin: What it was distilled from, or the encoder that was tuned; its licence is handed on.
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
    page = templates.get_template("card.md").render(
        name=path.absolute().parent.name,
        architecture=type(model).__name__,
        tags=_tags(model, run),
        num_layers=model.config.num_hidden_layers,
        num_parameters=model.num_parameters(),
        origin=origin.name,
        licence=origin.licence,
        layer_map=", ".join(map(str, run.get("layer_map", ()))),
        command=command,
        settings={name: value for name, value in run.items() if name not in _NOT_SETTINGS},
        data=[*run["data"], *run.get("texts", ())],
        held_out=apart if run["evaluation"] is None else "a file of its own",
        scores=scores,
        best_step=best_step,
        steps=run["steps"],
    )
    path.write_text(page, encoding="utf-8")


def _tags(model: "PreTrainedModel", run: Mapping[str, Any]) -> str:
    way = "fine-tuning" if run["mode"] == "fine-tuning" else "distillation"
    task = _TAGS.get(type(model).__name__.partition("For")[2])
    return ", ".join(filter(None, (model.config.model_type, way, task)))
