"""How `benchmarks/peers.py` measures; the script itself imports nothing, see there."""

import argparse
import datetime
import functools
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer_tables import draw_all, make_tables
from timing import describe_machine

from converters.values.precision import FixedPrecision
from pipeline.bench import Measured, of_artifact, of_student, save_base
from pipeline.benchmark import contest, peers, roofline
from pipeline.benchmark.contest import Contestant, Row
from pipeline.commands.bench import BASE
from pipeline.comparison.runtimes import Skipped
from pipeline.conversion.convert import convert_saved
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.running.jobs import Job
from pipeline.running.run import Run
from pipeline.student.load import Student, load
from pipeline.student.locate import EMBEDDED
from pipeline.student.trace import trace

RUNTIMES = {"executorch": "executorch", "tflite": "litert"}
"""Ours, by backend. Core ML is left out: here it is an emulation."""

OPTIMUM = peers.Peer(
    runtime="optimum-executorch", backend="executorch", packages=(), extra="",
    modules=("converters.executorch.runtime",),
)  # fmt: skip
OPTIMUM_SECONDS = 1200

PACKAGES = (
    "torch", "transformers", "executorch", "torchao", "ai-edge-litert", "litert-torch",
    "ai-edge-quantizer", "onnx", "onnxscript", "onnxruntime", "numpy",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A line through latency over layers.

    Attributes:
        ms_a_layer: Its slope.
        ms_beside: What no layer takes: embeddings, head, the call itself.
        largest_residual: Of a point, as a share of what the line says there.
    """

    runtime: str
    precision: str
    ms_a_layer: float
    ms_beside: float
    largest_residual: float


def measure_model(find: Callable[[], Student], name: str, options: argparse.Namespace) -> Measured:
    """Measures one model: ours, all peers and the roofline."""
    student, seq_lens = find(), tuple(options.seq_lens)
    with tempfile.TemporaryDirectory(prefix="pocketbert-") as name_of_folder:
        folder = Path(name_of_folder)
        ours = convert(student, folder, seq_lens, peers.PRECISIONS, options)
        found, skipped = peers.prepare(
            student, find, seq_lens=seq_lens, folder=folder, run=Run(num_threads=options.threads),
        )  # fmt: skip
        if options.optimum_python:
            more, missing = prepare_optimum(student, find, folder, options)
            found, skipped = found + more, skipped + missing
        roofs = roofline.measure(student, seq_lens=seq_lens, run=Run(num_threads=options.threads))
        own = of_student(student, find, num_threads=options.threads)
        rows = run([own, *ours, *found], student, name, seq_lens, options)
    shown = tuple(roofline.with_shares(rows, roofs))
    return Measured(rows=shown, skipped=tuple(skipped), roofs=roofs)


def run(
    contestants: Sequence[Contestant],
    student: Student,
    name: str,
    seq_lens: tuple[int, ...],
    options: argparse.Namespace,
) -> list[Row]:
    """Lets contestants take turns on full rows."""
    num_tokens = student.tokenizer.get_vocab_size()
    return contest.measure(
        contestants, contest.full_rows(student.input_names, seq_lens, num_tokens=num_tokens),
        model=name, num_repetitions=options.repetitions, run=Run(num_threads=options.threads),
    )  # fmt: skip


def convert(
    student: Student,
    folder: Path,
    seq_lens: tuple[int, ...],
    precisions: Sequence[FixedPrecision],
    options: argparse.Namespace,
) -> list[Contestant]:
    """Converts a student for both backends, as `pocketbert build` does."""
    traced = trace(student, seq_lens=seq_lens)
    program = folder / "traced.pt2"
    traced.save(program)
    quantizer = Quantizer(traced.matrices())
    jobs = [
        Job(
            name=f"convert {backend} {precision}",
            function=convert_saved,
            arguments={
                "program": program,
                "backend": backend,
                "weights": quantizer.model_weights(recipe_of(precision)),
                "folder": folder / f"{backend}-{precision}",
            },
        )
        for precision in precisions
        for backend in RUNTIMES
    ]
    outcomes = Run(num_threads=options.threads).run_jobs(jobs, max_parallel=2)
    return [
        of_artifact(artifact, RUNTIMES[artifact.backend], num_threads=options.threads)
        for artifact in (outcome.get() for outcome in outcomes)
    ]


def prepare_optimum(
    student: Student,
    find: Callable[[], Student],
    folder: Path,
    options: argparse.Namespace,
) -> tuple[list[Contestant], list[Skipped]]:
    """Exports with optimum-executorch in its own environment; its file runs in ours."""
    contestants, skipped, jobs = [], [], []
    for precision in peers.PRECISIONS:
        place = folder / f"optimum-{precision}"
        place.mkdir()
        script = Path(__file__).with_name("optimum_export.py")
        command = [options.optimum_python, "-I", script, student.folder, place, precision]
        done = subprocess.run(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, encoding="utf-8", timeout=OPTIMUM_SECONDS, check=False,
        )  # fmt: skip
        name = f"{OPTIMUM.runtime} {precision}"
        if done.returncode:
            said = done.stderr.strip().splitlines()
            skipped.append(Skipped(runtime=name, reason=said[-1] if said else "it said nothing"))
            continue
        artifact = peers.describe(
            student, backend="executorch", precision=precision, seq_lens=tuple(options.seq_lens),
            path=place / "model.pte", input_dtype="int64",
        )  # fmt: skip
        arguments = {"artifact": artifact, "find": find, "num_threads": options.threads}
        jobs.append(Job(name=name, function=peers.admit, arguments=arguments))
    for outcome in Run(num_threads=options.threads).run_jobs(jobs):
        if outcome.error is not None:
            skipped.append(Skipped(runtime=outcome.name, reason=outcome.error.message))
        else:
            made = peers.of_exported(OPTIMUM, outcome.value, num_threads=options.threads)
            contestants.append(made)
    return contestants, skipped


def measure_layers(options: argparse.Namespace, folder: Path) -> dict[int, list[Row]]:
    """Measures int8 and PyTorch over the number of layers, at the longest length."""
    rows = {}
    for num_layers in options.layers:
        place = folder / f"{num_layers}-layers"
        find = functools.partial(load, str(save_base(place, num_layers=num_layers)))
        student, seq_lens = find(), (max(options.seq_lens),)
        ours = convert(student, place, seq_lens, ["int8"], options)
        own = of_student(student, find, num_threads=options.threads)
        rows[num_layers] = run([own, *ours], student, place.name, seq_lens, options)
    return rows


def fit_layers(rows: dict[int, list[Row]]) -> list[Fit]:
    """Returns a line for each contestant; three numbers of layers are the least."""
    if len(rows) < 3:
        return []
    fits = []
    for of_one in zip(*rows.values(), strict=True):
        times_ms = np.array([row.latency_ms for row in of_one])
        slope, beside = np.polyfit(list(rows), times_ms, 1)
        expected = slope * np.array(list(rows)) + beside
        fits.append(
            Fit(
                runtime=of_one[0].runtime, precision=of_one[0].precision,
                ms_a_layer=float(slope), ms_beside=float(beside),
                largest_residual=float(np.abs(times_ms / expected - 1).max()),
            )
        )  # fmt: skip
    return fits


def describe(options: argparse.Namespace) -> dict[str, object]:
    """Returns what one must know to repeat the run."""
    torch.set_num_threads(options.threads)
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "machine": describe_machine(),
        "packages": versions,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": shlex.join(["python", "benchmarks/peers.py", *sys.argv[1:]]),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measures all that was asked for, prints Markdown, and returns the figures.

    Args:
        options: As `benchmarks/peers.py` takes them. Where a file for the figures is named,
            pictures are drawn beside it.
    """
    options.seq_lens = sorted(options.seq_lens)
    with tempfile.TemporaryDirectory(prefix="pocketbert-") as folder:
        measured = {}
        for name in options.models or (EMBEDDED, BASE):
            model = None if name == EMBEDDED else name
            if name == BASE:
                model = str(save_base(Path(folder, BASE)))
            find = functools.partial(load, model)
            measured[name] = measure_model(find, name, options)
        layers = measure_layers(options, Path(folder))
    fits = fit_layers(layers)
    print(make_tables(measured, fits))  # noqa: T201
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        draw_all(options.json.parent, measured, layers, fits)
    return {
        **describe(options),
        "models": {name: asdict(each) for name, each in measured.items()},
        "layers": {each: [asdict(row) for row in rows] for each, rows in layers.items()},
        "fits": [asdict(fit) for fit in fits],
    }
