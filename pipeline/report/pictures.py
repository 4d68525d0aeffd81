"""Pictures as SVG text; equal data make equal text."""

from collections.abc import Callable
from io import StringIO
from typing import Any

_METADATA = ("Creator", "Date", "Format", "Type")
"""What matplotlib says of its files unless it is told not to: the page needs no addresses."""


def draw_svg(draw: Callable[[Any], None], **axes: Any) -> str:
    """Returns a picture of one pair of axes, for a page or a file of its own.

    Args:
        draw: Draws into matplotlib's ``Axes``.
        axes: Properties of the axes, such as ``xlabel``.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "pocketbert", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        made = figure.add_subplot(**axes)
        made.grid(alpha=0.3)
        draw(made)
        text = StringIO()
        figure.savefig(text, format="svg", metadata=dict.fromkeys(_METADATA))
    # What stands before says that it is XML, which a page is not.
    return text.getvalue()[text.getvalue().index("<svg") :]
