"""The command ``pocketbert finetune``: labels alone, and no teacher."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipeline.commands.console import AsJson, show
from pipeline.commands.training import options
from pipeline.distillation.settings import (
    DEFAULT_LEARNING_RATE,
    LABELS_ALONE,
    Cadence,
    Data,
    ProblemType,
    Settings,
)

_MODEL = "An encoder with any head or none: a folder or a Hub id."
_DATA = (
    "Labelled examples of the task: SQuAD files and QAMR folders, or texts in .tsv, .csv, .jsonl. "
    "Repeatable."
)
_PROBLEM = (
    "What a classifier's new head gives: one label, several, or a number. Without it a MODEL of "
    "the task keeps its head, and any other gets one of a single label."
)


def finetune(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help=_MODEL)],
    task: Annotated[str, typer.Option(help="question-answering or text-classification.")],
    data: Annotated[list[Path], typer.Option(help=_DATA)],
    output: options.Output,
    more_data: options.MoreData = None,
    problem_type: Annotated[ProblemType | None, typer.Option(help=_PROBLEM)] = None,
    trim_vocab: Annotated[
        Path | None,
        typer.Option(metavar="CORPUS", help="Keep the vocabulary that this text needs."),
    ] = None,
    epochs: options.Epochs = 3.0,
    steps: options.Steps = 0,
    batch_size: options.BatchSize = 24,
    accumulate: options.Accumulate = 1,
    learning_rate: Annotated[
        float, typer.Option(min=0, help="At its peak.")
    ] = DEFAULT_LEARNING_RATE["fine-tuning"],
    warmup: options.Warmup = 0.05,
    weight_decay: options.WeightDecay = 0.01,
    dropout: options.Dropout = 0.1,
    attention_dropout: options.AttentionDropout = 0.1,
    max_seq_len: options.MaxSeqLen = 384,
    freeze_embeddings: options.FreezeEmbeddings = False,
    ema_decay: options.EmaDecay = 0.0,
    eval_data: options.EvalData = None,
    held_out: Annotated[int, typer.Option(min=0, help="Else: examples that are kept apart.")] = 400,
    eval_every: options.EvalEvery = 500,
    save_every: options.SaveEvery = 250,
    mixed_precision: options.Precision = "no",
    no_answer_share: options.NoAnswerShare = 0.0,
    fp16_weights: options.HalfWeights = False,
    seed: Annotated[int, typer.Option(help="Of the head, order, windows and dropout.")] = 0,
    skip_bad: options.SkipBad = False,
    resume: options.Resume = False,
    as_json: AsJson = False,
) -> int:
    """Trains an encoder on a task's labels: a teacher, or a student without one."""
    from pipeline import finetune as flow
    from pipeline.distillation.course import Place

    settings = Settings(
        mode="fine-tuning",
        layer_map=(),
        num_layers=None,
        align="last",
        weights=LABELS_ALONE,
        temperature=1.0,
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        accumulate=accumulate,
        learning_rate=learning_rate,
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
            "held_out": (eval_data is not None, "--eval-data is what the model is judged by"),
        },
    )
    result = flow.finetune(
        model,
        task=task,
        problem_type=problem_type,
        data=Data(
            paths=(*data, *(more_data or ())),
            evaluation=eval_data,
            num_held_out=held_out,
            skip_bad=skip_bad,
            vocabulary=trim_vocab,
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
