"""The command ``demo``."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pipeline.commands.console import AsJson, Reference, Runtimes, num_threads, show

if TYPE_CHECKING:
    from pipeline.demo import Opened


def demo(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BUNDLE]...",
            help="Folders or zips of bundles; several are compared. The last built here if none.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; 0 for any that is free.")
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Show the page in the browser.")] = True,
    runtime: Runtimes = None,
    reference: Reference = None,
    as_json: AsJson = False,
) -> int:
    """Serves a page to try bundles in: ask or classify in every runtime, side by side.

    The page is on 127.0.0.1 alone, under an address that nobody guesses, and nothing of it leaves
    this machine. It ends with Ctrl-C, which is no failure then.
    """
    from pipeline import demo as flow
    from pipeline.running.run import Run

    is_open = False

    def tell(opened: "Opened") -> None:
        nonlocal is_open
        is_open = True
        end = "Ctrl-C ends it."
        if browser and not opened.is_shown:
            end = f"No browser could be opened: open that address yourself. {end}"
        names = ", ".join(opened.bundles)
        line = f"{escape(names)}: [bold]{opened.url}[/]"
        show(asdict(opened), as_json, line, f"[dim]{end}[/]")

    try:
        flow.demo(
            bundles or (),
            port=port,
            named_reference=reference,
            names=runtime or (),
            opens_browser=browser,
            on_opened=tell,
            run=Run(num_threads=num_threads()),
        )
    except KeyboardInterrupt:
        if not is_open:
            raise
    return 0
