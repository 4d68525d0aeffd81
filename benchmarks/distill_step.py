"""Measures what a training step costs beside a bare loop: ``python benchmarks/distill_step.py``.

The step is that of ``pocketbert distill`` on questions: ``Updater.update`` with batches of a
``SpanObjective``. Beside it the same step is written out in plain PyTorch, with the same models,
batches and losses. Both take turns on the CPU, and before they are timed their losses are compared
over the first updates. The models are random, the questions those inside the package, each context
drawn out so that every row is full, and dropout is off, so that both compute the same.
"""

import argparse
import copy
import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from rich.console import Console
from timing import CLOCKS, describe_machine, ratio, time_in_turns
from torch import Tensor
from torch.nn import functional
from transformers import BertConfig, BertForQuestionAnswering, PreTrainedModel

from converters.values.errors import PocketBertError
from pipeline.benchmark.turns import spread
from pipeline.distillation.faults import Faults
from pipeline.distillation.models import make_student, spread_layers
from pipeline.distillation.objective import Batch
from pipeline.distillation.question_answering.span_objective import SpanObjective
from pipeline.distillation.question_answering.squad_data import (
    LabelledSpans,
    SquadSource,
    read_labelled_spans,
)
from pipeline.distillation.settings import DEFAULT_LEARNING_RATE, DEFAULT_WEIGHTS, Settings
from pipeline.distillation.train import MAX_GRAD_NORM, Updater
from pipeline.report.tables import table
from pipeline.student.load import Checkpoint, load

MAX_RATIO = 1.15
"""Of the product's step to the bare one: what the project allows for its conveniences."""

NUM_COMPARED = 3
"""Updates whose losses are compared: from the second on they tell of the first update, too."""

TOLERANCE = {"no": 1e-5, "bf16": 1e-3}
"""Relative, of a loss: sums in another order, in the precision of the products."""


class BareLoop:
    """One update as one would write it without this project."""

    def __init__(self, student: PreTrainedModel, teacher: PreTrainedModel, settings: Settings):
        self._student = student.train()
        self._teacher = teacher
        self._temperature = settings.temperature
        self._is_bf16 = settings.mixed_precision == "bf16"
        matrices = [each for each in student.parameters() if each.ndim > 1]
        vectors = [each for each in student.parameters() if each.ndim <= 1]
        self._optimizer = torch.optim.AdamW(
            [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )

    def update(self, batch: Batch) -> float:
        """Makes one update and returns its loss."""
        ids, mask = batch.inputs["input_ids"], batch.inputs["attention_mask"]
        types = batch.inputs["token_type_ids"]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._is_bf16):
            with torch.no_grad():
                taught = self._teacher(ids, mask, types, output_hidden_states=True)
            outputs = self._student(ids, mask, output_hidden_states=True)
        student, teacher = _logits(outputs, mask), _logits(taught, mask)
        soft = functional.kl_div(
            functional.log_softmax(student / self._temperature, dim=-1),
            functional.softmax(teacher / self._temperature, dim=-1),
            reduction="batchmean",
        )
        hard = functional.cross_entropy(
            student, torch.cat([batch.targets[..., 0], batch.targets[..., 1]])
        )
        cosines = functional.cosine_similarity(
            outputs.hidden_states[-1].float(), taught.hidden_states[-1].float(), dim=-1
        )  # (batch, seq_len)
        cosine = (1 - cosines)[mask == 1].mean()
        loss = soft * self._temperature**2 + hard + cosine
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._student.parameters(), MAX_GRAD_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(loss.detach())


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Returns times of both steps, their ratio, and the losses that were compared."""
    torch.set_num_threads(options.threads)
    settings = make_settings(options)
    teacher = make_teacher(options.layers)
    torch.manual_seed(settings.seed)
    student = make_student(
        teacher, start=None, layer_map=settings.layer_map, dropout=0.0, attention_dropout=0.0
    )
    for each in (student, teacher.network):
        each.set_attn_implementation("eager")  # as `pocketbert distill` does on a CPU
    objective = SpanObjective(
        [SquadSource(full_contexts(), teacher.tokenizer)],
        held_out=(),
        tokenizer=teacher.tokenizer,
        batch_size=settings.batch_size,
        max_seq_len=settings.max_seq_len,
        seed=settings.seed,
    )
    begin = time.perf_counter()
    batches = list(itertools.islice(objective.batches(None), objective.batches_per_epoch))
    drawn_ms = (time.perf_counter() - begin) * 1e3 / len(batches)

    bare = BareLoop(copy.deepcopy(student), teacher.network, settings)
    accelerator = Accelerator(cpu=True, mixed_precision=settings.mixed_precision)
    product = Updater(student, teacher.network, objective, settings, accelerator)
    losses = compare_losses(product, bare, batches, TOLERANCE[settings.mixed_precision])
    ours, theirs = itertools.cycle(batches), itertools.cycle(batches)
    times_ms = time_in_turns(
        {
            "product": lambda: product.update(next(ours), step=1),
            "bare loop": lambda: bare.update(next(theirs)),
        },
        num_repetitions=options.repetitions,
        clock=CLOCKS[options.clock],
    )
    return {
        "machine": describe_machine(),
        "options": {name: value for name, value in vars(options).items() if name != "json"},
        "step_ms": {name: spread(values) for name, values in times_ms.items()},
        "ratio": ratio(times_ms=times_ms["product"], base_ms=times_ms["bare loop"]),
        "max_ratio": MAX_RATIO,
        "draw_batch_ms": drawn_ms,
        "compared_losses": losses,
    }


def compare_losses(
    product: Updater, bare: BareLoop, batches: Sequence[Batch], tolerance: float
) -> list[dict[str, float]]:
    """Makes the first updates of both and returns their losses; if they differ, all ends."""
    losses = []
    for step, batch in zip(range(1, NUM_COMPARED + 1), itertools.cycle(batches), strict=False):
        reported, expected = product.update(batch, step=step)["loss"], bare.update(batch)
        losses.append({"product": reported, "bare loop": expected})
        if abs(reported - expected) > tolerance * abs(expected):
            sys.exit(
                f"the steps do not compute the same: at update {step} the product's loss is "
                f"{reported}, the bare loop's {expected}, and {tolerance} of it is allowed"
            )
    return losses


def make_settings(options: argparse.Namespace) -> Settings:
    """Returns the defaults of `pocketbert distill`, at a learning rate that stays the same."""
    num_layers = max(1, options.layers // 2)
    return Settings(
        mode="task", num_layers=num_layers, align="last", weights=DEFAULT_WEIGHTS["task"],
        layer_map=spread_layers(num_student=num_layers, num_teacher=options.layers),
        temperature=2.0, steps=10**9, epochs=0, batch_size=options.batch_size, accumulate=1,
        learning_rate=DEFAULT_LEARNING_RATE["task"], warmup=0.0, weight_decay=0.01,
        dropout=0.0, attention_dropout=0.0, max_seq_len=options.seq_len, freeze_embeddings=False,
        ema_decay=0.0, mixed_precision=options.mixed_precision, no_answer_share=0.0,
        seed=0,
    )  # fmt: skip


def make_teacher(num_layers: int) -> Checkpoint:
    """Returns a random BERT of the width and vocabulary of the embedded student."""
    torch.manual_seed(1)
    config = BertConfig(
        hidden_size=384, num_hidden_layers=num_layers, intermediate_size=1536
    )  # fmt: skip
    return Checkpoint(
        name="random", network=BertForQuestionAnswering(config).eval(), tokenizer=load().tokenizer,
        weights_sha256="", licence="",
    )  # fmt: skip


def full_contexts() -> list[LabelledSpans]:
    """Returns the package's questions, each context followed by all of them."""
    path = resources.files("pipeline.tasks.question_answering") / "questions.json"
    with resources.as_file(path) as file:
        examples = read_labelled_spans(file, Faults(allowed=False))
    whole = " ".join(dict.fromkeys(each.question.context for each in examples))
    return [
        replace(each, question=replace(each.question, context=f"{each.question.context} {whole}"))
        for each in examples
    ]


def show(measured: dict[str, Any]) -> None:
    """Prints the table."""
    rows = table("step", "ms: median (quartiles)")
    for name, step_ms in measured["step_ms"].items():
        rows.add_row(name, f"{step_ms:.1f}")
    rows.add_row("product / bare loop", f"{measured['ratio']:.3f}")
    Console(highlight=False).print(
        rows,
        f"At most {measured['max_ratio']} is allowed. "
        f"Drawing a batch, which is not counted, takes {measured['draw_batch_ms']:.2f} ms.",
    )


def _logits(outputs: Any, mask: Tensor) -> Tensor:
    """Returns start and end logits without those of padding, ``(2 * batch, seq_len) float32``."""
    both = torch.stack([outputs.start_logits, outputs.end_logits]).float()
    return both.masked_fill(mask == 0, -1e4).flatten(0, 1)


def main() -> None:
    """Prints a table, and writes a JSON file where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=6, help="of the teacher; the student's half")
    parser.add_argument("--batch-size", type=int, default=24, help="rows in a step")
    parser.add_argument("--seq-len", type=int, default=128, help="tokens in a row")
    parser.add_argument("--repetitions", type=int, default=20, help="steps of each, two or more")
    parser.add_argument("--mixed-precision", choices=TOLERANCE, default="no", help="of products")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: beside other work")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for all the figures")
    options = parser.parse_args()
    try:
        measured = measure(options)
    except PocketBertError as err:
        sys.exit(f"{err.message} ({err.hint})")
    show(measured)
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1, default=asdict), encoding="utf-8")


if __name__ == "__main__":
    main()
