"""The command line: each command parses, calls one function, prints, and gives an exit code."""

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from converters.values.artifact import COMPUTE_UNITS, ComputeUnits, StoredTensor
from converters.values.errors import InputError
from converters.values.precision import ACTIVATIONS, PRECISIONS
from pipeline import __version__
from pipeline.commands import console
from pipeline.commands.ask import ask
from pipeline.commands.bench import bench
from pipeline.commands.bundle import bundle, verify
from pipeline.commands.console import AsJson, Data, num_threads, parse_numbers, show
from pipeline.commands.distill import distill
from pipeline.commands.evaluate import evaluate
from pipeline.commands.parity import parity
from pipeline.commands.tokenize import tokenize
from pipeline.conversion.recipe import Recipe, read_recipe, recipe_of
from pipeline.files.scratch import use_own_temporary_folder
from pipeline.quantization.budget import Budget
from pipeline.report import tables
from pipeline.running.interruption import end_on_signals
from pipeline.running.run import Run

app = typer.Typer(
    name="pocketbert",
    help="From a distilled BERT student to verified ExecuTorch, TFLite and Core ML artifacts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def build(
    model: Annotated[
        str | None,
        typer.Argument(help="A folder, a Hub id, or nothing for the embedded student."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The bundle's folder.")] = Path(
        "pocketbert-bundle"
    ),
    backend: Annotated[
        list[str] | None,
        typer.Option(help="executorch, tflite or coreml; repeatable. All that are installed."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32, fp16, int8, int4 or auto. int8 unless told otherwise.")
    ] = None,
    group_size: Annotated[
        int | None, typer.Option(help="Columns that share a scale at four bits: 32, 64 or 128.")
    ] = None,
    activations: Annotated[
        str | None,
        typer.Option(help="How int8 rounds what layers take: dynamic, as it runs, or static."),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="The recipe.json of a bundle: repeats its precisions.")
    ] = None,
    max_size_mb: Annotated[
        float | None, typer.Option(min=0, help="The most that an artifact may take, in 10^6 bytes.")
    ] = None,
    max_f1_drop: Annotated[
        float | None,
        typer.Option(min=0, help="The most F1 that an artifact may lose, in percentage points."),
    ] = None,
    seq_len: Annotated[str, typer.Option(help="Lengths in tokens, such as 64,128,384.")] = "384",
    data: Data = None,
    compute_units: Annotated[
        str | None,
        typer.Option(
            help="What Core ML may use: all, cpu-and-ne (in the Neural Engine's layout), "
            "cpu-and-gpu or cpu-only. All unless told otherwise."
        ),
    ] = None,
    trim_vocab: Annotated[
        Path | None,
        typer.Option(
            metavar="CORPUS",
            help="Text or SQuAD .json: drop the vocabulary that it never needs.",
        ),
    ] = None,
    task_library: Annotated[
        bool,
        typer.Option(
            "--task-library", help="Add the TFLite file that Google's Task Library opens."
        ),
    ] = False,
    sign: Annotated[
        Path | None,
        typer.Option(metavar="KEY", help="Sign it with this Ed25519 private key, in PEM."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Run every stage, and keep nothing of it.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Converts a student for every backend, compares, and writes a bundle."""
    from pipeline import build as flow
    from pipeline.bundle.open import size_bytes
    from pipeline.bundle.signature import read_private_key
    from pipeline.running.cache import StageCache
    from pipeline.tasks.question_answering.squad import read_squad

    result = flow.build(
        model,
        destination=output,
        backends=backend or (),
        recipe=_recipe(recipe, precision, group_size, activations),
        budget=_budget(max_size_mb, max_f1_drop, is_needed=precision == "auto"),
        seq_lens=parse_numbers(seq_len, option="--seq-len", example="64,384"),
        examples=read_squad(data) if data else None,
        trim_corpus=trim_vocab,
        compute_units=_compute_units(compute_units),
        for_task_library=task_library,
        key=None if sign is None else read_private_key(sign),
        run=Run(
            num_threads=num_threads(),
            cache=None if no_cache else StageCache.of_user(),
        ),
    )
    sizes = {each.backend: size_bytes(each.path) for each in result.artifacts}
    payload = {
        "bundle": str(result.folder.resolve()),
        "seconds": round(result.seconds, 2),
        "artifacts": [
            {
                "backend": artifact.backend,
                "precision": artifact.precision,
                "path": str(artifact.path.resolve()),
                "size_bytes": sizes[artifact.backend],
                "seq_lens": list(artifact.seq_lens),
            }
            for artifact in result.artifacts
        ],
        "parity": [each.to_json() for each in result.parity],
        "skipped": [asdict(each) for each in result.skipped],
        "reused": list(result.reused),
    }
    table = tables.parity_table(result.parity, sizes)
    remarks = tables.remarks((each.runtime for each in result.parity), result.skipped)
    remarks += [
        f"[red]NOT BUILT[/] {each.backend}: {escape(each.error.message)}" for each in result.unbuilt
    ]
    if result.task_library is not None:
        path = result.task_library.path.resolve()
        payload["task_library"] = {"path": str(path), "size_bytes": size_bytes(path)}
    if result.trimming is not None:
        payload["vocabulary"] = asdict(result.trimming)
        remarks.append(tables.trimming(result.trimming))
    if result.remarks:
        payload["remarks"] = list(result.remarks)
        remarks += [f"[yellow]{escape(each)}[/]" for each in result.remarks]
    if result.unreadable:
        payload["unreadable"] = [asdict(each) for each in result.unreadable]
        remarks += tables.unreadable(result.unreadable, "left out")
    seen = []
    if result.steps:
        payload["steps"] = [each.to_json() for each in result.steps]
        seen.append(tables.frontier_table(result.steps))
    last = f"{escape(str(result.folder))} in {result.seconds:.0f} s"
    show(payload, as_json, *seen, table, *remarks, last)
    return 0 if result.passed else 1


@app.command()
def inspect(
    target: Annotated[Path, typer.Argument(metavar="(ARTIFACT|BUNDLE)", help="What to read.")],
    as_json: AsJson = False,
) -> int:
    """Tells what the files hold, what of it stayed in floating point, and what is delegated."""
    from pipeline import inspection

    found = inspection.inspect(target)
    payload = {
        "artifacts": [
            {
                "path": path,
                "size_bytes": each.size_bytes,
                "bytes_by_dtype": dict(each.bytes_by_dtype),
                "largest_tensors": [_tensor(tensor) for tensor in each.tensors[:10]],
                "float_bytes": sum(tensor.size_bytes for tensor in each.float_tensors),
                "largest_float_tensors": [_tensor(tensor) for tensor in each.float_tensors[:10]],
                "num_ops": each.num_ops,
                "num_delegated_ops": each.num_delegated_ops,
                "num_macs": each.num_macs,
                "num_delegated_macs": each.num_delegated_macs,
            }
            for path, each in found.items()
        ]
    }
    parts = [part for path, each in found.items() for part in tables.inspection(path, each)]
    show(payload, as_json, *parts)
    return 0


@app.command()
def doctor(as_json: AsJson = False) -> int:
    """Tells what is installed, what can run here, and the line that installs what is missing."""
    from pipeline import doctor as checks

    findings = checks.examine()
    table = tables.table(
        "kind", "name", "state", "to install", words=("name", "state", "to install")
    )
    for each in findings:
        color = "green" if each.ok else "yellow"
        table.add_row(each.kind, each.name, f"[{color}]{escape(each.state)}", escape(each.hint))
    show({"findings": [asdict(each) for each in findings]}, as_json, table)
    return 0 if checks.can_build(findings) else 3


app.command()(ask)
app.command()(bench)
app.command()(bundle)
app.command()(parity)
app.command()(tokenize)
app.command()(verify)
app.command()(distill)
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


def _budget(max_size_mb: float | None, max_f1_drop: float | None, *, is_needed: bool) -> Budget:
    if is_needed and max_size_mb is None and max_f1_drop is None:
        raise InputError(
            "--precision auto needs a budget", hint="add --max-size-mb 14, or --max-f1-drop 1"
        )
    return Budget(
        max_size_bytes=math.inf if max_size_mb is None else max_size_mb * 1e6,
        max_f1_drop=math.inf if max_f1_drop is None else max_f1_drop,
    )


def _recipe(
    path: Path | None, precision: str | None, group_size: int | None, activations: str | None
) -> Recipe | None:
    """Returns what the options say of the weights; nothing where a search is to find it."""
    if path is not None:
        if precision or group_size or activations:
            raise InputError(
                "--recipe says the precision, the group size and the activations itself",
                hint="leave out --precision, --group-size and --activations",
            )
        return read_recipe(path)
    if activations == "dynamic" and precision in ("fp32", "fp16"):
        raise InputError(
            f"--activations is for integers, and {precision} has none", hint="leave it out"
        )
    precision, activations = precision or "int8", activations or "dynamic"
    if activations not in ACTIVATIONS:
        raise InputError(
            f"no activations {activations!r}", hint=f"choose from {', '.join(ACTIVATIONS)}"
        )
    if precision not in PRECISIONS:
        raise InputError(f"no precision {precision!r}", hint=f"choose from {', '.join(PRECISIONS)}")
    if group_size is not None and precision != "int4":
        raise InputError(
            f"--group-size goes with --precision int4, not {precision}", hint="leave it out"
        )
    if precision != "auto":
        return recipe_of(precision, group_size=group_size or 32, activations=activations)
    if activations == "static":
        raise InputError("static activations go with int8, not auto", hint="leave them out")
    return None


def _compute_units(name: str | None) -> ComputeUnits | None:
    if name is None or name in COMPUTE_UNITS:
        return name
    raise InputError(f"no compute units {name!r}", hint=f"choose from {', '.join(COMPUTE_UNITS)}")


def _tensor(stored: StoredTensor) -> dict[str, str | int]:
    return {"name": stored.name, "dtype": stored.dtype, "size_bytes": stored.size_bytes}
