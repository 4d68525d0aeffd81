"""Builds small bundles of text classifiers, one of each kind of problem, for the apps' tests."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.classifiers import save_classifier
from tests.platform_bundles import AppBundle, build_for_platforms

SEQ_LENS = (16, 32)
_TEXTS = (
    "The soup was cold and nobody came to our table.",
    "A quiet film with two good actors, and a story that takes its time.",
    "The train was late, so we missed the ferry. "
    "We waited for three hours in the rain, and the cafe at the harbour was closed. " * 3,
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of classifier.

    Attributes:
        stated: For ``save_classifier``.
        labels: Of the examples, in turn, as a file has them.
        pair: Whether an example is of two texts.
        options: For ``pocketbert build``.
    """

    stated: Mapping[str, Any] = field(default_factory=dict)
    labels: Sequence[Any]
    pair: bool = False
    options: Sequence[str] = ()


KINDS = {
    "single": Kind(labels=("negative", "so-so", "positive")),
    "pair": Kind(
        labels=("negative", "so-so", "positive"), pair=True,
        options=("--pair", "--long-text", "windows"),
    ),
    "several": Kind(
        stated={"problem_type": "multi_label_classification"},
        labels=(["negative"], [], ["so-so", "positive"]),
    ),
    "regression": Kind(stated={"labels": ("score",)}, labels=(1.5, -0.25, 3.0)),
}  # fmt: skip
"""By the name of the bundle's folder."""


def build(folder: Path) -> dict[str, AppBundle]:
    """Builds all of them for the apps of both platforms, by their names."""
    return {name: _build(kind, folder / name) for name, kind in KINDS.items()}


def _build(kind: Kind, folder: Path) -> AppBundle:
    folder.mkdir()
    return build_for_platforms(
        ("android", "ios"), ("executorch",),
        save_classifier("bert", folder / "student", **kind.stated), folder,
        seq_lens=SEQ_LENS, data=_write_data(folder / "data.jsonl", kind),
        options=("--precision", "fp32", *kind.options),
    )  # fmt: skip


def _write_data(path: Path, kind: Kind) -> Path:
    rows = []
    for place, (text, label) in enumerate(zip(_TEXTS, kind.labels, strict=True)):
        other = {"text_pair": _TEXTS[place - 1]} if kind.pair else {}
        rows.append(json.dumps({"text": text, **other, "label": label}))
    path.write_text("\n".join(rows) + "\n")
    return path
