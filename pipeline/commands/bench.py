"""The command ``bench``."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converters.values.errors import InputError
from pipeline.benchmark.turns import REPETITIONS
from pipeline.commands.console import AsJson, Reference, Runtimes, num_threads, parse_numbers, show

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.bench import Measured
    from pipeline.bundle.open import Bundle
    from pipeline.running.run import Run

BASE = "base"
"""Names a model of DistilBERT-base's size; random weights are as fast as trained ones."""

LENGTHS = "64,128,256,384"
"""Of what is built first."""


def bench(
    bundle: Annotated[
        Path | None, typer.Argument(metavar="BUNDLE", help="A bundle's folder or zip.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="In place of a bundle: a model to build first, or base for random weights of "
            "DistilBERT-base's size. The embedded student unless told otherwise."
        ),
    ] = None,
    seq_len: Annotated[
        str | None,
        typer.Option(
            help=f"Lengths to measure: of a bundle all that it has, else {LENGTHS}, unless told "
            "otherwise."
        ),
    ] = None,
    repetitions: Annotated[int, typer.Option(min=2, help="Calls at each length.")] = REPETITIONS,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of every runtime; all cores, four at most.")
    ] = None,
    runtime: Runtimes = None,
    peers: Annotated[
        bool,
        typer.Option(
            "--peers",
            help="Also torch.compile, ONNX Runtime, plain litert-torch and ExecuTorch, BERT-base, "
            "and the roofline.",
        ),
    ] = False,
    reference: Reference = None,
    as_json: AsJson = False,
) -> int:
    """Measures latency by length, cold start and memory beside PyTorch, in one run."""
    from pipeline import bench as flow
    from pipeline.report import tables
    from pipeline.running.run import Run

    each_has = threads or num_threads()
    run = Run(num_threads=each_has)
    if bundle is None and reference is not None:
        raise InputError(
            "--reference goes with a bundle", hint="name the model by --model, or give a bundle"
        )
    wanted = seq_len if seq_len is not None or bundle is not None else LENGTHS
    lengths = () if wanted is None else parse_numbers(wanted, option="--seq-len", example="64,384")
    with _opened(bundle, model, lengths, run) as opened:
        measured = flow.bench(
            opened,
            names=runtime or (),
            with_peers=peers,
            seq_lens=lengths,
            named_reference=reference,
            num_repetitions=repetitions,
            run=run,
        )
    rows, skipped = measured.rows, measured.skipped
    payload = {
        "rows": [asdict(row) for row in rows],
        "roofs": [asdict(roof) for roof in measured.roofs],
        "skipped": [asdict(each) for each in skipped],
    }
    remarks = tables.remarks((row.runtime for row in rows), skipped)
    about = f"{rows[0].model}, batch 1, {each_has} thread{'s' * (each_has > 1)}"
    show(payload, as_json, about, *_tables(measured), *remarks)
    return 0


@contextlib.contextmanager
def _opened(
    bundle: Path | None, model: str | None, seq_lens: tuple[int, ...], run: "Run"
) -> "Iterator[Bundle]":
    """Opens the bundle that was named, or builds one that is gone with the block."""
    from pipeline.bench import save_base
    from pipeline.build import build
    from pipeline.bundle.open import open_bundle

    if bundle is not None:
        if model is not None:
            raise InputError("give a bundle or --model, not both", hint="leave one of them out")
        with open_bundle(bundle) as opened:
            yield opened
        return
    with tempfile.TemporaryDirectory(prefix="pocketbert-") as folder:
        if model == BASE:
            model = str(save_base(Path(folder, "distilbert-base-size")))
        made = build(
            model,
            destination=Path(folder, "bundle"),
            seq_lens=seq_lens,
            run=replace(run, num_threads=num_threads()),
        )
        for unbuilt in made.unbuilt:
            raise unbuilt.error
        with open_bundle(made.folder) as opened:
            yield opened


def _tables(measured: "Measured") -> "Iterator[Table]":
    """Yields latency by length, what does not depend on the length, and the roofline."""
    from pipeline.report import tables

    latency = tables.table(
        "runtime", "precision", "length", "ms", "half of them", "of PyTorch", "of the roofline",
        words=("precision",),
    )  # fmt: skip
    for row in measured.rows:
        latency.add_row(
            row.runtime,
            row.precision,
            str(row.seq_len),
            f"{row.latency_ms:.1f}",
            f"{row.lower_quartile_ms:.1f}-{row.upper_quartile_ms:.1f}",
            "" if row.ratio_to_pytorch is None else f"{row.ratio_to_pytorch:.2f}",
            "" if row.roofline_share is None else f"{100 * row.roofline_share:.0f} %",
        )
    yield latency
    whole = tables.table(
        "runtime", "precision", "size MB", "first answer ms", "peak MB", "above the bare runtime",
        words=("precision",),
    )  # fmt: skip
    for row in {(row.runtime, row.precision): row for row in measured.rows}.values():
        above = row.peak_rss_bytes - row.bare_rss_bytes
        whole.add_row(
            row.runtime,
            row.precision,
            f"{row.size_bytes / 1e6:.1f}",
            f"{row.cold_start_ms:.0f}",
            f"{row.peak_rss_bytes / 1e6:.0f}",
            f"{above / 1e6:.0f} MB",
        )
    yield whole
    if measured.roofs:
        yield _roofline(measured)


def _roofline(measured: "Measured") -> "Table":
    from pipeline.report import tables

    table = tables.table(
        "roofline", "length", "giga multiply-adds", "a second", "by", "ms", words=("by",)
    )
    for each in measured.roofs:
        table.add_row(
            each.rate.arithmetic,
            str(each.seq_len),
            f"{each.num_macs / 1e9:.2f}",
            f"{each.rate.macs_per_second / 1e9:.0f}",
            each.rate.library,
            f"{each.latency_ms:.1f}",
        )
    return table
