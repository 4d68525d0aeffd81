"""Measures how long the Core ML evaluator takes for one of PyTorch, on the same encoder.

Run it with ``python benchmarks/evaluator_time.py [MODEL]``; without a model it takes
DistilBERT-base with random weights, which is as fast as a trained one. It converts the encoder at
each precision, and lets PyTorch in fp32 (eager, with the attention that Transformers takes by
itself) and the evaluator take turns on one full row, batch 1. It ends with exit code 1 where a
ratio is beyond ``--most``.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from timing import ratio, time_in_turns, write_figures
from transformers import DistilBertConfig, DistilBertForQuestionAnswering, PreTrainedModel

from converters.conversion import Conversion
from converters.coreml.convert import convert
from converters.coreml_evaluator.evaluator import CoreMLReference
from converters.values.errors import PocketBertError
from converters.values.precision import FIXED_PRECISIONS
from converters.values.program import TracedModel, sample_inputs
from pipeline.benchmark.turns import Spread, spread
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.student.attention import one_row_attention
from pipeline.student.load import input_names, load
from pipeline.student.trace import ExportableEncoder
from pipeline.tasks.question_answering.spans import OUTPUT_NAMES

NUM_WARM_UP = 2
PYTORCH = "pytorch"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One precision; ``ratio`` is the evaluator's time for one of PyTorch, turn by turn."""

    precision: str
    latency_ms: Spread
    pytorch_ms: Spread
    ratio: Spread


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each precision."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = (
        load(options.model).model
        if options.model
        else DistilBertForQuestionAnswering(DistilBertConfig())
    )
    traced = trace_network(network.eval(), seq_len=options.seq_len)
    inputs = {name: np.ones((1, options.seq_len), np.int32) for name in traced.input_names}
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
    rows = []
    for precision in options.precisions:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.mlpackage")
            weights = Quantizer(traced.matrices()).model_weights(recipe_of(precision))
            convert(Conversion(traced=traced, weights=weights, path=path))
            evaluator = CoreMLReference(path, num_threads=options.threads)
        calls = {
            PYTORCH: torch.inference_mode()(lambda: network(**tensors)),
            precision: lambda evaluator=evaluator: evaluator.run(inputs),
        }
        time_in_turns(calls, num_repetitions=NUM_WARM_UP)
        times_ms = time_in_turns(calls, num_repetitions=options.repetitions)
        rows.append(
            Row(
                precision=precision,
                latency_ms=spread(times_ms[precision]),
                pytorch_ms=spread(times_ms[PYTORCH]),
                ratio=ratio(times_ms=times_ms[precision], base_ms=times_ms[PYTORCH]),
            )
        )
    return rows


def trace_network(network: PreTrainedModel, *, seq_len: int) -> TracedModel:
    """Exports a question-answering network at one length, as the product does."""
    names, output_names = input_names(network.config), OUTPUT_NAMES
    encoder = ExportableEncoder(network, output_names=output_names).eval()
    inputs = sample_inputs(names, seq_len=seq_len)
    with one_row_attention(network):
        program = torch.export.export(encoder, (), inputs, strict=False)
    return TracedModel(
        program=program, input_names=names, output_names=output_names, seq_lens=(seq_len,)
    )


def make_table(rows: list[Row], options: argparse.Namespace) -> str:
    """Returns the rows in Markdown."""
    lines = [
        f"| precision | evaluator, ms at {options.seq_len} tokens | PyTorch, ms | ratio |",
        "|---|--:|--:|--:|",
    ]
    lines += [
        f"| {row.precision} | {row.latency_ms.median:.1f} | {row.pytorch_ms.median:.1f} "
        f"| {row.ratio:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Prints a table, and writes a JSON file where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a folder or a Hub id")
    parser.add_argument("--seq-len", type=int, default=384, help="tokens")
    parser.add_argument("--precisions", nargs="+", choices=FIXED_PRECISIONS,
                        default=("fp32", "fp16", "int8"))  # fmt: skip
    parser.add_argument("--most", type=float, default=3.0, help="the greatest ratio that is good")
    parser.add_argument("--repetitions", type=int, default=20, help="two or more")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for all the figures")
    options = parser.parse_args()
    try:
        rows = measure(options)
    except PocketBertError as err:
        sys.exit(f"{err.message} ({err.hint})")
    print(make_table(rows, options))  # noqa: T201
    if options.json:
        write_figures(options.json, rows)
    sys.exit(int(any(row.ratio.median > options.most for row in rows)))


if __name__ == "__main__":
    main()
