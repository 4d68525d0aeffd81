"""The command ``bundle``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipeline.commands.console import AsJson, BundlePath, show


def bundle(
    bundle: BundlePath,
    platform: Annotated[str, typer.Option(help="android or ios.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.zip", help="The zip.")],
    as_json: AsJson = False,
) -> int:
    """Packs what one platform needs, laid out for its assets."""
    from pipeline.bundle import platforms
    from pipeline.report import tables

    packed = platforms.pack(bundle, platform, output)
    table = tables.table("what for", "MB", "MB in the zip", words=("what for",))
    for share in packed.parts:
        table.add_row(
            share.purpose, f"{share.size_bytes / 1e6:.3f}", f"{share.packed_bytes / 1e6:.3f}"
        )
    lines = [
        f"[yellow]{escape(each.runtime)} failed its parity check[/]: {escape(each.reason)}"
        for each in packed.failed
    ]
    last = f"{escape(str(output))}: {packed.size_bytes / 1e6:.1f} MB"
    show(packed.to_json(), as_json, table, *lines, last)
    return 0
