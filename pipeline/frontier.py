"""Draws what a search saw: the recipes between the smallest and the best."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.search import Step

FILE_NAME = "frontier.svg"


def draw(steps: Sequence[Step], path: Path) -> None:
    """Writes a picture of size against noise; equal steps make equal bytes."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "pocketbert", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot(
            xlabel="size, MB", ylabel="signal to noise of the logits, dB", title="Recipes seen"
        )
        sizes = [step.size_bytes / 1e6 for step in steps]
        noises = [step.snr_db for step in steps]
        axes.plot(sizes, noises, marker="o", color="tab:blue")
        for size, noise, step in zip(sizes, noises, steps, strict=True):
            if step.is_chosen:
                axes.plot([size], [noise], marker="o", markersize=12, color="tab:green")
                axes.annotate("chosen", (size, noise), xytext=(0, -18), textcoords="offset points")
        axes.grid(alpha=0.3)
        figure.savefig(path, format="svg", metadata={"Date": None})
