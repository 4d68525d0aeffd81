"""The command ``pocketbert distill``: many options, each of them a field of the settings."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipeline.commands.console import AsJson, parse_numbers, show
from pipeline.commands.training import options
from pipeline.distillation.settings import (
    DEFAULT_LEARNING_RATE,
    DEFAULT_WEIGHTS,
    Alignment,
    Cadence,
    Data,
    LossWeights,
    Mode,
    Settings,
)

_DATA = (
    "Labelled examples of the task: SQuAD files and QAMR folders, or texts in .tsv, .csv, .jsonl. "
    "Pre-training: text files. Repeatable."
)
_TEXTS = "Texts without labels, of which the teacher is asked: .tsv, .csv, .jsonl. Repeatable."


def distill(
    context: typer.Context,
    teacher: Annotated[str, typer.Option(metavar="MODEL", help="A folder or a Hub id.")],
    data: Annotated[list[Path], typer.Option(help=_DATA)],
    output: options.Output,
    more_data: options.MoreData = None,
    texts: Annotated[list[Path] | None, typer.Option(help=_TEXTS)] = None,
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
    epochs: options.Epochs = 3.0,
    steps: options.Steps = 0,
    batch_size: options.BatchSize = 24,
    accumulate: options.Accumulate = 1,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="At its peak. 1e-4; pre-training 5e-4.")
    ] = None,
    warmup: options.Warmup = 0.05,
    weight_decay: options.WeightDecay = 0.01,
    dropout: options.Dropout = 0.1,
    attention_dropout: options.AttentionDropout = 0.1,
    max_seq_len: options.MaxSeqLen = 384,
    freeze_embeddings: options.FreezeEmbeddings = False,
    ema_decay: options.EmaDecay = 0.0,
    eval_data: options.EvalData = None,
    held_out: Annotated[
        int, typer.Option(min=0, help="Else: examples, or lines of text, that are kept apart.")
    ] = 400,
    eval_every: options.EvalEvery = 500,
    save_every: options.SaveEvery = 250,
    mixed_precision: options.Precision = "no",
    no_answer_share: options.NoAnswerShare = 0.0,
    fp16_weights: options.HalfWeights = False,
    seed: Annotated[int, typer.Option(help="Of order, windows, masks and dropout.")] = 0,
    skip_bad: options.SkipBad = False,
    resume: options.Resume = False,
    as_json: AsJson = False,
) -> int:
    """Trains a DistilBERT on what a teacher says of labelled examples, or of raw text."""
    from pipeline import distill as flow
    from pipeline.distillation.course import Place

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
    options.refuse_without_effect(
        context,
        {
            "epochs": (steps > 0, "--steps says how long to train"),
            "held_out": (eval_data is not None, "--eval-data is what the student is judged by"),
            "temperature": (settings.weights.soft == 0, "soft targets count nothing"),
            "align": (settings.weights.cosine == 0, "hidden states count nothing"),
            "no_answer_share": (mode == "pre-training", "raw text holds no question"),
            "skip_bad": (mode == "pre-training", "no line of raw text is bad"),
            "texts": (
                mode == "pre-training" or not settings.weights.needs_teacher,
                "no teacher is asked of a task's texts",
            ),
        },
    )
    result = flow.distill(
        teacher,
        student_model=student,
        data=Data(
            paths=(*data, *(more_data or ())),
            evaluation=eval_data,
            num_held_out=held_out,
            skip_bad=skip_bad,
            unlabelled=tuple(texts or ()),
        ),
        settings=settings,
        cadence=Cadence(evaluate=eval_every, save=save_every),
        place=Place(
            folder=output,
            half=fp16_weights,
            resume=resume,
            command=shlex.join(["pocketbert", *sys.argv[1:]]),
        ),
    )
    if result.is_main:
        show(result.to_json(), as_json, *(escape(line) for line in result.lines()))
    return 0
