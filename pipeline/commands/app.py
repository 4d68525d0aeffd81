"""The command line, put together of its commands.

Each command parses, calls one flow, prints, and gives an exit code. What a flow needs is imported
where a command calls it, so that the help and a wrong call are answered at once.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from pipeline import __version__
from pipeline.commands import console
from pipeline.commands.ask import ask
from pipeline.commands.bench import bench
from pipeline.commands.build import build
from pipeline.commands.bundle import bundle
from pipeline.commands.classify import classify
from pipeline.commands.demo import demo
from pipeline.commands.doctor import doctor
from pipeline.commands.evaluate import evaluate
from pipeline.commands.inspect import inspect
from pipeline.commands.parity import parity
from pipeline.commands.tokenize import tokenize
from pipeline.commands.training.distill import distill
from pipeline.commands.training.finetune import finetune
from pipeline.commands.verify import verify
from pipeline.files.scratch import use_own_temporary_folder
from pipeline.running.interruption import end_on_signals

app = typer.Typer(
    name="pocketbert",
    help="From a distilled BERT student to verified ExecuTorch, TFLite and Core ML artifacts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    build, inspect, doctor, ask, classify, demo, bench, bundle, parity, tokenize, verify, distill,
    finetune,
):  # fmt: skip
    app.command()(command)
app.command("eval")(evaluate)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)  # noqa: T201  this is the result
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """From a distilled BERT student to verified ExecuTorch, TFLite and Core ML artifacts."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code; errors are told in one line."""
    return console.run(lambda: app(list(arguments), standalone_mode=False), arguments)


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    console.open_closed_streams()  # before any file is opened in the place of one
    end_on_signals()
    use_own_temporary_folder()
    sys.exit(run(sys.argv[1:]))
