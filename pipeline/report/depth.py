"""Draws how the error of artifacts grows over the depth of the student."""

import math
from collections.abc import Sequence
from typing import Any

from pipeline.comparison.localize import Localization
from pipeline.report.pictures import draw_svg

_HIGHEST_DB = 150.0
"""Of the picture: more than float32 can tell."""


def picture(found: Sequence[Localization]) -> str:
    """Returns how the error grows over depth, a line a runtime, as SVG, where any was seen."""
    seen = [each for each in found if each.blocks]

    def draw(axes: Any) -> None:
        for each in seen:
            _draw(axes, each)
        axes.tick_params(axis="x", rotation=45)
        axes.legend(fontsize="small")

    return draw_svg(draw, ylabel="signal to noise, dB") if seen else ""


def _draw(axes: Any, found: Localization) -> None:
    names = [block.name for block in found.blocks]
    heights = [_height(block.snr_db) for block in found.blocks]
    axes.plot(names, heights, marker="o", label=f"{found.runtime} {found.precision}")
    if found.first_block is not None:
        place = names.index(found.first_block)
        axes.plot(
            [names[place]], [heights[place]], marker="x", markersize=14, color="red",
            label=f"{found.runtime}: {found.first_block}", linestyle="none",
        )  # fmt: skip


def _height(snr_db: float) -> float:
    """Returns where a point is drawn: what is exact at the top, what is not a number at zero."""
    return 0.0 if math.isnan(snr_db) else min(max(snr_db, 0.0), _HIGHEST_DB)
