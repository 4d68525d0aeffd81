"""Measures what each precision costs: megabytes, answers and time, in every runtime.

Run it with ``python benchmarks/precision_table.py [MODEL] --data SQUAD.json``; without a model it
takes the student inside the package. It builds a bundle a precision, asks all questions in every
runtime, and prints a Markdown table. The loss of F1 is that against PyTorch in fp32, with the 95 %
interval of a paired bootstrap over questions; the time ratio is that of the medians of a full row
of 384 tokens, in turns with PyTorch, as `pocketbert bench` has it.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from timing import write_figures

from converters import backends
from converters.values.errors import PocketBertError
from converters.values.precision import FIXED_PRECISIONS
from pipeline.ask import Asked, ask
from pipeline.bench import bench
from pipeline.build import build
from pipeline.bundle import open
from pipeline.comparison.runtimes import PYTORCH
from pipeline.conversion.metrics import paired_interval
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.budget import NO_BUDGET, Budget
from pipeline.running.progress import Progress
from pipeline.running.run import Run
from pipeline.tasks.question_answering import squad
from pipeline.tasks.question_answering.spans import Answer
from pipeline.tasks.question_answering.squad import Question, read_squad


@dataclass(frozen=True, kw_only=True)
class Row:
    """One artifact in one runtime.

    Attributes:
        precision: Its name, with the budget where it was searched for.
        f1: Percent.
        f1_lost: Percentage points below PyTorch, and the 95 % interval of it.
        same_answers: Percent of questions with PyTorch's own span.
        latency_ratio: To PyTorch in fp32, of a full row of 384 tokens.
    """

    precision: str
    runtime: str
    size_bytes: int
    f1: float
    f1_lost: tuple[float, float, float]
    same_answers: float
    latency_ratio: float


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each precision and runtime; those that are done stand in the JSON file."""
    given = read_squad(options.data)[: options.limit]
    examples = tuple(each for each in given if isinstance(each, Question))
    rows: list[Row] = []
    for name in options.precisions:
        precision, _, megabytes = name.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            made = build(
                options.model,
                destination=Path(folder, "bundle"),
                backends=options.backend,
                recipe=None if precision == "auto" else recipe_of(precision),
                budget=Budget(max_size_bytes=float(megabytes) * 1e6) if megabytes else NO_BUDGET,
                run=Run(num_threads=options.threads, progress=Progress()),
            )
            sizes = {each.backend: open.size_bytes(each.path) for each in made.artifacts}
            with open.open_bundle(made.folder) as opened:
                answers = ask(
                    opened, examples, named_reference=options.model,
                    run=Run(num_threads=options.threads, progress=Progress(quiet=True)),
                )  # fmt: skip
                timed = bench(
                    opened, named_reference=options.model,
                    run=Run(num_threads=options.threads, progress=Progress(quiet=True)),
                )  # fmt: skip
        ratios = {each.runtime: each.ratio_to_pytorch for each in timed.rows}
        rows += _rows(name, sizes, {each.runtime: each for each in answers.done}, examples, ratios)
        if options.json:
            write_figures(options.json, rows)
    return rows


def _rows(
    precision: str,
    sizes: dict[str, int],
    asked: dict[str, Asked],
    examples: tuple[Question, ...],
    time_ratios: dict[str, float | None],
) -> Iterator[Row]:
    own = asked.pop(PYTORCH)
    own_f1 = _f1_by_question(own, examples)
    for runtime, each in asked.items():
        f1 = _f1_by_question(each, examples)
        yield Row(
            precision=precision,
            runtime=runtime,
            size_bytes=sizes[_backend_of(runtime)],
            f1=float(f1.mean()),
            f1_lost=(float((own_f1 - f1).mean()), *paired_interval(own_f1 - f1)),
            same_answers=100 * float(np.mean(list(map(_is_same, each.answers, own.answers)))),
            latency_ratio=time_ratios[runtime] or math.nan,
        )


def _backend_of(runtime: str) -> str:
    return backends.runtime(runtime).backend


def _is_same(one: Answer, other: Answer) -> bool:
    return (one.start, one.end) == (other.start, other.end)


def _f1_by_question(asked: Asked, examples: Sequence[Question]) -> np.ndarray:
    """Returns ``(questions,) float64``, percent."""
    return np.array(
        [
            100 * squad.f1(prediction=answer.text, answers=example.answers)
            for answer, example in zip(asked.answers, examples, strict=True)
        ]
    )


def make_table(rows: Sequence[Row]) -> str:
    """Returns the rows in Markdown; sizes are also shares of the same backend's fp32."""
    exact = {row.runtime: row.size_bytes for row in rows if row.precision == "fp32"}
    lines = [
        "| precision | runtime | MB | of fp32 | F1 | F1 lost (95 %) | same answers | time ratio |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        share = f"{row.size_bytes / exact[row.runtime]:.3f}" if row.runtime in exact else ""
        lost, low, high = row.f1_lost
        lines.append(
            f"| {row.precision} | {row.runtime} | {row.size_bytes / 1e6:.1f} | {share} "
            f"| {row.f1:.1f} | {lost:.2f} ({low:.2f} to {high:.2f}) "
            f"| {row.same_answers:.1f} % | {row.latency_ratio:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Prints a table, and writes a JSON file where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", help="as `pocketbert build` takes it")
    parser.add_argument("--data", type=Path, required=True, help="labelled questions")
    parser.add_argument("--limit", type=int, help="use only the first questions")
    parser.add_argument(
        "--precisions", nargs="+", default=FIXED_PRECISIONS, metavar="NAME",
        help="fp32, fp16, int8, int4, or auto:14 for a search under 14 MB",
    )  # fmt: skip
    parser.add_argument("--backend", action="append", default=[], help="all if none")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="of each runtime"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="for all the figures")
    options = parser.parse_args()
    try:
        rows = measure(options)
    except PocketBertError as err:
        sys.exit(f"{err.message} ({err.hint})")
    print(make_table(rows))  # noqa: T201


if __name__ == "__main__":
    main()
