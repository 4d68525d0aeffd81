"""Options that every training has."""

from pathlib import Path
from typing import Annotated

import typer

from converters.values.errors import InputError
from pipeline.distillation.settings import MixedPrecision

Output = Annotated[Path, typer.Option("-o", "--output", help="The folder of what is trained.")]
MoreData = Annotated[
    list[Path] | None, typer.Argument(metavar="[DATA]...", help="More of the same.")
]
Epochs = Annotated[float, typer.Option(min=0, help="Passes over the data.")]
Steps = Annotated[int, typer.Option(min=0, help="Updates, in place of epochs.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Examples in an update.")]
Accumulate = Annotated[int, typer.Option(min=1, help="Parts that a batch is cut into.")]
Warmup = Annotated[float, typer.Option(min=0, max=1, help="Share of the steps.")]
WeightDecay = Annotated[float, typer.Option(min=0, help="Of matrices.")]
Dropout = Annotated[float, typer.Option(min=0, max=0.9, help="On hidden states.")]
AttentionDropout = Annotated[
    float, typer.Option(min=0, max=0.9, help="On attention probabilities.")
]
MaxSeqLen = Annotated[int, typer.Option(min=16, help="Tokens in a row at most.")]
FreezeEmbeddings = Annotated[
    bool, typer.Option("--freeze-embeddings", help="Leave the word embeddings alone.")
]
EmaDecay = Annotated[
    float,
    typer.Option(min=0, max=0.99999, help="Keep a moving average of the weights: 0.999 or so."),
]
EvalData = Annotated[Path | None, typer.Option(help="Data to judge the model by.")]
EvalEvery = Annotated[int, typer.Option(min=1, help="Updates.")]
SaveEvery = Annotated[int, typer.Option(min=1, help="Updates.")]
Precision = Annotated[MixedPrecision, typer.Option(help="Of the matrix products.")]
NoAnswerShare = Annotated[
    float,
    typer.Option(min=0, max=0.9, help="Of questions, asked of a text that lacks the answer."),
]
HalfWeights = Annotated[bool, typer.Option("--fp16-weights", help="Store the weights in fp16.")]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Go on without rows that cannot be used.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in -o.")]


def refuse_without_effect(context: typer.Context, reasons: dict[str, tuple[bool, str]]) -> None:
    """Refuses options that the user gave, and that others leave without effect.

    Args:
        context: Of the command.
        reasons: By the name of each option: whether it has no effect, and why.

    Raises:
        InputError: There is one.
    """
    for name, (has_none, reason) in reasons.items():
        source = context.get_parameter_source(name)
        # Given, be it with the value that it has by itself.
        if has_none and source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} has no effect: {reason}", hint=f"leave out {option}")
