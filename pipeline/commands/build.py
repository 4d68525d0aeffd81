"""The command ``build``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pipeline.commands.console import AsJson, Data, num_threads, parse_numbers, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.build import BuildResult


def build(
    model: Annotated[
        str | None,
        typer.Argument(help="A folder or a Hub id. The embedded student unless given."),
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
    max_score_drop: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="The most that an artifact may lose of the task's score, in percentage points.",
        ),
    ] = None,
    max_f1_drop: Annotated[
        float | None, typer.Option(min=0, help="The older name of --max-score-drop.")
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
            help="Text, or a file of examples of the task: drop the vocabulary they never need.",
        ),
    ] = None,
    task_library: Annotated[
        bool,
        typer.Option(
            "--task-library", help="Add the TFLite file that Google's Task Library opens."
        ),
    ] = False,
    task: Annotated[
        str | None,
        typer.Option(help="question-answering or text-classification. The model's own."),
    ] = None,
    pair: Annotated[
        bool | None,
        typer.Option("--pair/--no-pair", help="A classifier of two texts, or of one."),
    ] = None,
    long_text: Annotated[
        str | None,
        typer.Option(
            help="What a classifier makes of a text that is longer than its longest row: truncate, "
            "or windows, whose logits are averaged. truncate unless told otherwise."
        ),
    ] = None,
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
    from pipeline.bundle.signature import read_private_key
    from pipeline.conversion.recipe import asked_recipe
    from pipeline.quantization.budget import asked_budget
    from pipeline.running.cache import StageCache
    from pipeline.running.run import Run
    from pipeline.tasks.task import TaskOptions

    result = flow.build(
        model,
        destination=output,
        backends=backend or (),
        recipe=asked_recipe(
            recipe, precision=precision, group_size=group_size, activations=activations
        ),
        budget=asked_budget(
            max_size_mb=max_size_mb,
            max_score_drop=max_score_drop,
            max_f1_drop=max_f1_drop,
            is_needed=precision == "auto",
        ),
        seq_lens=parse_numbers(seq_len, option="--seq-len", example="64,384"),
        examples=data,
        trim_corpus=trim_vocab,
        compute_units=compute_units,
        for_task_library=task_library,
        key=None if sign is None else read_private_key(sign),
        task_name=task,
        task_options=TaskOptions(pair=pair, long_text=long_text),
        run=Run(num_threads=num_threads(), cache=None if no_cache else StageCache.of_user()),
    )
    show(result.to_json(), as_json, *_parts(result))
    return 0 if result.passed else 1


def _parts(result: "BuildResult") -> "list[RenderableType]":
    """Returns what a person reads of a build."""
    from pipeline.report import tables

    remarks = tables.remarks((each.runtime for each in result.parity), result.skipped)
    remarks += [
        f"[red]NOT BUILT[/] {each.backend}: {escape(each.error.message)}" for each in result.unbuilt
    ]
    remarks += tables.cut_in(result.parity)
    if result.trimming is not None:
        remarks.append(tables.trimming(result.trimming))
    remarks += [f"[yellow]{escape(each)}[/]" for each in result.remarks]
    remarks += tables.unreadable(result.unreadable, "left out", task=result.task)
    seen = [tables.frontier_table(result.steps)] if result.steps else []
    last = f"{escape(str(result.folder))} in {result.seconds:.0f} s"
    return [*seen, tables.parity_table(result.parity, result.sizes_bytes), *remarks, last]
