"""Compares what Core ML programs cost in the layout of tokens and in that of the Neural Engine.

Run it with ``python benchmarks/coreml_cost.py [MODEL ...]``; without models it takes the embedded
student and DistilBERT-base with random weights. For each precision it converts the encoder in both
layouts, counts the operators of the saved programs and the bytes that they move, and lets our
evaluator run them in turns on one full row, batch 1. With ``--each`` it does so also without each
of the rewrites. Nothing here is a latency on a phone.
"""

import argparse
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from evaluator_time import trace_network
from timing import Spread, ratio, spread, time_in_turns, write_figures
from transformers import DistilBertConfig, DistilBertForQuestionAnswering

from converters.conversion import Conversion
from converters.coreml.convert import convert
from converters.coreml.layout import REWRITES, channels_first
from converters.coreml_evaluator.evaluator import CoreMLReference
from converters.coreml_evaluator.reader import read_program
from converters.values.errors import PocketBertError
from converters.values.precision import FIXED_PRECISIONS, FixedPrecision
from converters.values.program import TracedModel
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.student.load import load

NUM_WARM_UP = 2
BASE = "DistilBERT-base, random weights"
EMBEDDED = "embedded student"
TOKENS, CHANNELS = "tokens", "channels first"

KINDS = {
    "reshapes": ("reshape", "expand_dims", "squeeze", "flatten2d"),
    "transposes": ("transpose",),
    "slices": ("slice_by_index", "slice_by_size", "split"),
    "concats": ("concat", "stack"),
}
"""Operators that compute nothing, by what they do."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One program.

    Attributes:
        num_ops: By operator; constants, and the expressions that expand weights, do not count.
        moved_bytes: Of the inputs and outputs of all operators, weights as the file stores them.
        ratio: The evaluator's time for one of the layout of tokens, turn by turn.
    """

    model: str
    precision: str
    layout: str
    num_ops: dict[str, int]
    moved_bytes: int
    size_bytes: int
    latency_ms: Spread
    ratio: Spread


def measure(name: str, options: argparse.Namespace) -> Iterator[Row]:
    """Yields the rows of one model."""
    traced = trace(name, seq_len=options.seq_len)
    inputs = {name: np.ones((1, options.seq_len), np.int32) for name in traced.input_names}
    for precision in options.precisions:
        with tempfile.TemporaryDirectory() as folder:
            paths = {
                layout: convert_program(traced, program, precision, Path(folder, layout))
                for layout, program in programs(traced, each=options.each).items()
            }
            evaluators = {
                layout: CoreMLReference(path, num_threads=options.threads)
                for layout, path in paths.items()
            }
            calls = {
                layout: lambda evaluator=evaluator: evaluator.run(inputs)
                for layout, evaluator in evaluators.items()
            }
            time_in_turns(calls, num_repetitions=NUM_WARM_UP)
            times_ms = time_in_turns(calls, num_repetitions=options.repetitions)
            for layout, path in paths.items():
                (function,) = read_program(path).functions.values()
                yield Row(
                    model=name,
                    precision=precision,
                    layout=layout,
                    num_ops=dict(Counter(each.op_type for each in computed(function))),
                    moved_bytes=sum(map(moved_bytes, computed(function))),
                    size_bytes=sum(f.stat().st_size for f in path.rglob("*") if f.is_file()),
                    latency_ms=spread(times_ms[layout]),
                    ratio=ratio(times_ms=times_ms[layout], base_ms=times_ms[TOKENS]),
                )


def trace(name: str, *, seq_len: int) -> TracedModel:
    """Exports one of the models that this benchmark takes."""
    torch.manual_seed(0)
    if name == BASE:
        network = DistilBertForQuestionAnswering(DistilBertConfig()).eval()
    else:
        network = load(None if name == EMBEDDED else name).model
    return trace_network(network, seq_len=seq_len)


def programs(traced: TracedModel, *, each: bool) -> dict[str, torch.export.ExportedProgram]:
    """Returns the traced program in every layout, by name."""
    inputs = traced.sample_inputs(traced.seq_lens[0])
    rewritten = {CHANNELS: REWRITES}
    if each:
        for left_out in REWRITES:
            name = f"without {left_out.__name__}"
            rewritten[name] = tuple(other for other in REWRITES if other is not left_out)
    return {
        TOKENS: traced.program,
        **{
            name: channels_first(traced.program, inputs, rewrites=rewrites)
            for name, rewrites in rewritten.items()
        },
    }


def convert_program(
    traced: TracedModel,
    program: torch.export.ExportedProgram,
    precision: FixedPrecision,
    folder: Path,
) -> Path:
    """Saves a package of a program that computes what the traced one does."""
    path = folder / "model.mlpackage"
    folder.mkdir()
    weights = Quantizer(traced.matrices()).model_weights(recipe_of(precision))
    convert(Conversion(traced=replace(traced, program=program), weights=weights, path=path))
    return path


def computed(function: Any) -> list[Any]:
    """Returns the operators of a function that a run computes."""
    return [
        operation
        for operation in function.operations
        if operation.op_type != "const" and not operation.op_type.startswith("constexpr_")
    ]


def moved_bytes(operation: Any) -> int:
    """Returns the bytes that an operator takes and gives; of a table, what it takes of it."""
    given = sum(map(size_bytes, operation.outputs))
    if operation.op_type == "gather":
        return 2 * given
    operands = []
    for operand in operation.inputs.values():
        operands += operand if isinstance(operand, list | tuple) else [operand]
    return given + sum(map(size_bytes, operands))


def size_bytes(var: Any) -> int:
    """Returns the bytes of a value, or of what a weight is expanded from."""
    from coremltools.converters.mil.mil import types

    if var.op is not None and var.op.op_type.startswith("constexpr_"):
        return sum(map(size_bytes, var.op.inputs.values()))
    if types.is_str(var.dtype):
        return 0
    num_bits = 8 if types.is_bool(var.dtype) else var.dtype.get_bitwidth()
    return math.ceil(math.prod(var.shape) * num_bits / 8)


def make_table(rows: list[Row], options: argparse.Namespace) -> str:
    """Returns the rows in Markdown."""
    heads = ("model", "precision", "layout", "operators", *KINDS, "MB moved", "MB of file")
    lines = [
        f"| {' | '.join(heads)} | evaluator, ms at {options.seq_len} tokens | ratio |",
        "|---|---|---|" + "--:|" * (len(heads) - 1),
    ]
    for row in rows:
        counts = [
            sum(row.num_ops.values()),
            *(sum(row.num_ops.get(op, 0) for op in ops) for ops in KINDS.values()),
        ]
        lines.append(
            f"| {row.model} | {row.precision} | {row.layout} | {' | '.join(map(str, counts))} "
            f"| {row.moved_bytes / 1e6:.1f} | {row.size_bytes / 1e6:.2f} "
            f"| {row.latency_ms.median:.1f} | {row.ratio:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Prints a table, and writes a JSON file where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", metavar="MODEL", nargs="*", default=[EMBEDDED, BASE],
                        help="folders or Hub ids")  # fmt: skip
    parser.add_argument("--seq-len", type=int, default=384, help="tokens")
    parser.add_argument("--precisions", nargs="+", choices=FIXED_PRECISIONS,
                        default=("fp16", "int8"))  # fmt: skip
    parser.add_argument("--each", action="store_true", help="also without each of the rewrites")
    parser.add_argument("--repetitions", type=int, default=20, help="two or more")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(),
                        help="of the evaluator")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="for all the figures")
    options = parser.parse_args()
    try:
        rows = [row for name in options.models for row in measure(name, options)]
    except PocketBertError as err:
        sys.exit(f"{err.message} ({err.hint})")
    print(make_table(rows, options))  # noqa: T201
    if options.json:
        write_figures(options.json, rows)


if __name__ == "__main__":
    main()
