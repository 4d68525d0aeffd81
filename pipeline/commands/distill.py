"""The command ``pocketbert distill``: many options, each of them a field of the settings."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from converters.values.errors import InputError
from pipeline.commands.console import parse_numbers, show
from pipeline.distillation.settings import (
    DEFAULT_LEARNING_RATE,
    DEFAULT_WEIGHTS,
    Alignment,
    Cadence,
    Data,
    LossWeights,
    MixedPrecision,
    Mode,
    Settings,
)

_DATA = (
    "Labelled examples of the task; for question answering SQuAD files and QAMR folders. "
    "Pre-training: text files. Repeatable."
)


def distill(
    context: typer.Context,
    teacher: Annotated[str, typer.Option(metavar="MODEL", help="A folder or a Hub id.")],
    data: Annotated[list[Path], typer.Option(help=_DATA)],
    output: Annotated[Path, typer.Option("-o", "--output", help="The student's folder.")],
    more_data: Annotated[
        list[Path] | None, typer.Argument(metavar="[DATA]...", help="More of the same.")
    ] = None,
    mode: Annotated[Mode, typer.Option(help="On labelled examples, or on raw text.")] = "task",
    student: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Go on from this DistilBERT.")
    ] = None,
    layers: Annotated[
        int | None, typer.Option(min=1, help="Of the student. Half the teacher's.")
    ] = None,
    layer_map: Annotated[
        str | None,
        typer.Option(help="The teacher's layers to start from, such as 0,2,5. Spread evenly."),
    ] = None,
    align: Annotated[Alignment, typer.Option(help="Hidden states to compare.")] = "last",
    soft_weight: Annotated[float | None, typer.Option(min=0, help="1; pre-training 5.")] = None,
    hard_weight: Annotated[float | None, typer.Option(min=0, help="1; pre-training 2.")] = None,
    cosine_weight: Annotated[float | None, typer.Option(min=0, help="1.")] = None,
    temperature: Annotated[float, typer.Option(min=0.01, help="Of the soft targets.")] = 2.0,
    epochs: Annotated[float, typer.Option(min=0, help="Passes over the examples.")] = 3.0,
    steps: Annotated[int, typer.Option(min=0, help="Updates, in place of epochs.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Examples in an update.")] = 24,
    accumulate: Annotated[int, typer.Option(min=1, help="Parts that a batch is cut into.")] = 1,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="At its peak. 1e-4; pre-training 5e-4.")
    ] = None,
    warmup: Annotated[float, typer.Option(min=0, max=1, help="Share of the steps.")] = 0.05,
    weight_decay: Annotated[float, typer.Option(min=0, help="Of matrices.")] = 0.01,
    dropout: Annotated[float, typer.Option(min=0, max=0.9, help="On hidden states.")] = 0.1,
    attention_dropout: Annotated[
        float, typer.Option(min=0, max=0.9, help="On attention probabilities.")
    ] = 0.1,
    max_seq_len: Annotated[int, typer.Option(min=16, help="Tokens in a row at most.")] = 384,
    freeze_embeddings: Annotated[
        bool, typer.Option("--freeze-embeddings", help="Leave the word embeddings alone.")
    ] = False,
    ema_decay: Annotated[
        float,
        typer.Option(min=0, max=0.99999, help="Keep a moving average of the weights: 0.999 or so."),
    ] = 0.0,
    eval_data: Annotated[Path | None, typer.Option(help="Data to judge the student by.")] = None,
    held_out: Annotated[
        int, typer.Option(min=0, help="Else: examples, or lines of text, that are kept apart.")
    ] = 400,
    eval_every: Annotated[int, typer.Option(min=1, help="Updates.")] = 500,
    save_every: Annotated[int, typer.Option(min=1, help="Updates.")] = 250,
    mixed_precision: Annotated[MixedPrecision, typer.Option(help="Of the matrix products.")] = "no",
    no_answer_share: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Of questions, asked of a text that lacks the answer."),
    ] = 0.0,
    fp16_weights: Annotated[
        bool, typer.Option("--fp16-weights", help="Store the student in fp16.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of order, windows, masks and dropout.")] = 0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on without rows that cannot be used.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in -o.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Trains a DistilBERT on what a teacher says of labelled examples, or of raw text."""
    from pipeline import distill as flow

    defaults = DEFAULT_WEIGHTS[mode]
    settings = Settings(
        mode=mode,
        layer_map=parse_numbers(layer_map, option="--layer-map", example="0,2,5")
        if layer_map is not None
        else (),
        num_layers=layers,
        align=align,
        weights=LossWeights(
            soft=defaults.soft if soft_weight is None else soft_weight,
            hard=defaults.hard if hard_weight is None else hard_weight,
            cosine=defaults.cosine if cosine_weight is None else cosine_weight,
        ),
        temperature=temperature,
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        accumulate=accumulate,
        learning_rate=DEFAULT_LEARNING_RATE[mode] if learning_rate is None else learning_rate,
        warmup=warmup,
        weight_decay=weight_decay,
        dropout=dropout,
        attention_dropout=attention_dropout,
        max_seq_len=max_seq_len,
        freeze_embeddings=freeze_embeddings,
        ema_decay=ema_decay,
        mixed_precision=mixed_precision,
        no_answer_share=no_answer_share,
        seed=seed,
    )
    without_effect = {
        "epochs": (steps > 0, "--steps says how long to train"),
        "held_out": (eval_data is not None, "--eval-data is what the student is judged by"),
        "temperature": (settings.weights.soft == 0, "soft targets count nothing"),
        "align": (settings.weights.cosine == 0, "hidden states count nothing"),
        "no_answer_share": (mode == "pre-training", "raw text holds no question"),
        "skip_bad": (mode == "pre-training", "no line of raw text is bad"),
    }
    for name, (has_none, reason) in without_effect.items():
        if has_none and _is_given(context, name):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} has no effect: {reason}", hint=f"leave out {option}")
    result = flow.distill(
        teacher,
        student_model=student,
        data=Data(
            paths=(*data, *(more_data or ())),
            evaluation=eval_data,
            num_held_out=held_out,
            skip_bad=skip_bad,
        ),
        settings=settings,
        cadence=Cadence(evaluate=eval_every, save=save_every),
        destination=output,
        half=fp16_weights,
        resume=resume,
        command=shlex.join(["pocketbert", *sys.argv[1:]]),
    )
    if result.is_main:
        show(result.to_json(), as_json, *(escape(line) for line in result.lines()))
    return 0


def _is_given(context: typer.Context, name: str) -> bool:
    """Returns whether the user gave an option, be it with the value that it has by itself."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
