"""The command ``inspect``."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import AsJson, show


def inspect(
    target: Annotated[Path, typer.Argument(metavar="(ARTIFACT|BUNDLE)", help="What to read.")],
    as_json: AsJson = False,
) -> int:
    """Tells what the files hold, what of it stayed in floating point, and what is delegated."""
    from pipeline import inspection
    from pipeline.report import tables

    found = inspection.inspect(target)
    parts = [part for path, each in found.items() for part in tables.inspection(path, each)]
    show(inspection.as_json(found), as_json, *parts)
    return 0
