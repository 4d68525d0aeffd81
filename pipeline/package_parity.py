"""Compares a Core ML package that anyone made with the PyTorch program that it comes from.

The program is what ``torch.export.save`` writes. Each ``.npz`` holds one sample: the package's
inputs by name, in their exact shapes. Where the program's own names differ, inputs and outputs go
by order.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

import converters
from pipeline import metrics, report
from pipeline.errors import InputError
from pipeline.manifest import json_value
from pipeline.package_reference import load_program, pair_outputs, read_sample, run_program
from pipeline.precision import FixedPrecision
from pipeline.runtimes import Skipped
from pipeline.values import Arrays, Artifact
from pipeline.verdict import Gate, Verdict, at_least

BACKEND = "coreml"

LEAST_SNR_DB: dict[FixedPrecision, float] = {
    # Some hundred roundings of a part in 2**24 leave over 100 dB; a wrong constant never does.
    "fp32": 90,
    # A part in 2**11 at each of some hundred operators.
    "fp16": 40,
    # Five to eight bits a weight: noise is a few percent of the signal.
    "int8": 20,
    # Four bits or fewer: noise is up to a sixth of the signal.
    "int4": 15,
}


@dataclass(frozen=True, kw_only=True)
class OutputParity:
    """One output of the package, over all samples."""

    name: str
    verdict: Verdict
    max_abs_diff: float
    mean_abs_diff: float
    relative_error: float
    cosine: float
    snr_db: float


@dataclass(frozen=True, kw_only=True)
class PackageParity:
    """A package in one runtime; its numbers are those of the worst output."""

    runtime: str
    precision: FixedPrecision
    verdict: Verdict
    max_abs_diff: float
    cosine: float
    snr_db: float
    num_inputs: int
    gates: tuple[Gate, ...]
    reason: str
    outputs: tuple[OutputParity, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns what ``parity`` of a bundle gives, too, and the outputs one by one."""
        fields = {key: json_value(value) for key, value in asdict(self).items()}
        return {"backend": BACKEND, **fields, "seq_len": None, "answer_agreement": None}


def check(
    package: Path,
    *,
    reference: Path,
    inputs: Sequence[Path],
    names: Sequence[str] = (),
    num_threads: int,
) -> tuple[list[PackageParity], list[Skipped]]:
    """Compares a package with its program, in every Core ML runtime that there is here.

    Args:
        package: An ``.mlpackage`` folder.
        reference: A ``.pt2`` file.
        inputs: ``.npz`` files, a sample each.
        names: Runtimes to use; none means all.
        num_threads: For the evaluator.

    Raises:
        InputError: A file is missing, is not what it should be, or does not fit the package.
        MissingPackageError: coremltools is not installed.
    """
    chosen, skipped = _choose(names)
    if not chosen:
        return [], skipped
    from converters.mil_inspection import precision
    from converters.mil_package import read_interface

    interface = read_interface(package)
    program = load_program(reference)
    samples = [read_sample(path) for path in inputs]
    artifact = Artifact(
        backend=BACKEND, precision=precision(package), path=package, seq_lens=(), inputs=(),
        outputs=(),
    )  # fmt: skip
    # The package first: its inputs have fixed names and shapes, and errors that say so.
    actual = {name: _run(artifact, name, samples, inputs, num_threads) for name in chosen}
    expected = [
        pair_outputs(
            run_program(program, sample, interface.input_names, reference),
            interface.output_names,
            reference,
        )
        for sample in samples
    ]
    return [
        _judge(artifact, name, actual[name], expected, interface.output_names) for name in chosen
    ], skipped


def table(parity: Sequence[PackageParity]) -> Table:
    """Returns a row for each output in each runtime."""
    made = report.table(
        "runtime", "precision", "output", "max diff", "mean diff", "relative", "cosine", "SNR dB",
        "verdict", words=("output", "verdict"),
    )  # fmt: skip
    for each in parity:
        for output in each.outputs:
            made.add_row(
                each.runtime,
                each.precision,
                escape(output.name),
                report.number(output.max_abs_diff, "{:.2g}"),
                report.number(output.mean_abs_diff, "{:.2g}"),
                report.number(output.relative_error, "{:.2g}"),
                report.number(output.cosine, "{:.6f}"),
                report.number(output.snr_db, "{:.1f}"),
                "[green]PASS"
                if output.verdict == "pass"
                else f"[red]FAIL[/] {escape(each.reason)}",
            )
    return made


def _choose(names: Sequence[str]) -> tuple[list[str], list[Skipped]]:
    known = [runtime for runtime in converters.RUNTIMES if runtime.backend == BACKEND]
    for name in names:
        if name not in {runtime.name for runtime in known}:
            raise InputError(
                f"no runtime {name!r} runs Core ML packages",
                hint=f"choose from {', '.join(runtime.name for runtime in known)}",
            )
    chosen, skipped = [], []
    for runtime in known:
        if not names or runtime.name in names:
            reason = converters.why_unavailable(runtime)
            if reason is None:
                chosen.append(runtime.name)
            else:
                skipped.append(Skipped(runtime=runtime.name, reason=reason))
    return chosen, skipped


def _run(
    artifact: Artifact, runtime: str, samples: Sequence[Arrays], paths: Sequence[Path], threads: int
) -> list[Arrays]:
    runner = converters.backend(BACKEND).load(artifact, runtime=runtime, num_threads=threads)
    outputs: list[Arrays] = []
    for sample, path in zip(samples, paths, strict=True):
        try:
            outputs.append(runner.run(sample))
        except InputError as err:
            raise InputError(f"{path}: {err.message}", hint=err.hint) from err
    return outputs


def _judge(
    artifact: Artifact,
    runtime: str,
    actual: Sequence[Arrays],
    expected: Sequence[Arrays],
    names: Sequence[str],
) -> PackageParity:
    precision = artifact.precision
    assert precision != "auto"  # it is read from the file
    outputs, gates = [], []
    for name in names:
        output, gate = _compare(
            name, precision, [each[name] for each in actual], [each[name] for each in expected]
        )
        outputs.append(output)
        gates.append(gate)
    failed = [gate for gate in gates if gate.verdict == "fail"]
    return PackageParity(
        runtime=runtime,
        precision=precision,
        verdict="fail" if failed else "pass",
        max_abs_diff=float(np.max([each.max_abs_diff for each in outputs])),
        cosine=float(np.min([each.cosine for each in outputs])),
        snr_db=float(np.min([each.snr_db for each in outputs])),
        num_inputs=len(actual),
        gates=tuple(gates),
        reason="; ".join(
            f"{gate.name} is {gate.value:.4g}, the gate is {gate.threshold:g}" for gate in failed
        ),
        outputs=tuple(outputs),
    )


def _compare(
    name: str,
    precision: FixedPrecision,
    actual: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
) -> tuple[OutputParity, Gate]:
    for got, wanted in zip(actual, expected, strict=True):
        if got.shape != wanted.shape:
            raise InputError(
                f"output {name!r} has shape {got.shape} in the package, {wanted.shape} in the "
                "program",
                hint="outputs go by order where names differ: export the same program",
            )
    both = {
        "actual": np.concatenate([np.asarray(each, np.float64).ravel() for each in actual]),
        "reference": np.concatenate([np.asarray(each, np.float64).ravel() for each in expected]),
    }
    if expected[0].dtype.kind == "f":
        snr = metrics.snr_db(**both) if np.isfinite(both["actual"]).all() else math.nan
        gate = at_least(f"snr_db of {name}", snr, LEAST_SNR_DB[precision])
    else:
        share = float(np.mean(both["actual"] == both["reference"]))
        snr, gate = (
            metrics.snr_db(**both),
            at_least(f"share of equal numbers in {name}", share, 1.0),
        )
    return OutputParity(
        name=name,
        verdict=gate.verdict,
        max_abs_diff=metrics.max_abs_diff(**both),
        mean_abs_diff=metrics.mean_abs_diff(**both),
        relative_error=metrics.relative_error(**both),
        cosine=metrics.cosine(**both),
        snr_db=snr,
    ), gate
