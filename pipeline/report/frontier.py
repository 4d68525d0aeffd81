"""Draws what a search saw: the recipes between the smallest and the best."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.quantization.search import Step
from pipeline.report.pictures import draw_svg

FILE_NAME = "frontier.svg"


def draw(steps: Sequence[Step], path: Path) -> None:
    """Writes a picture of size against noise; equal steps make equal bytes."""
    sizes = [step.size_bytes / 1e6 for step in steps]
    noises = [step.snr_db for step in steps]

    def fill(axes: Any) -> None:
        axes.plot(sizes, noises, marker="o", color="tab:blue")
        for size, noise, step in zip(sizes, noises, steps, strict=True):
            if step.is_chosen:
                axes.plot([size], [noise], marker="o", markersize=12, color="tab:green")
                axes.annotate("chosen", (size, noise), xytext=(0, -18), textcoords="offset points")

    labels = {"xlabel": "size, MB", "ylabel": "signal to noise of the logits, dB"}
    path.write_text(draw_svg(fill, **labels, title="Recipes seen"), encoding="utf-8")
