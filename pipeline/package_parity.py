"""Compares a Core ML package that anyone made with the PyTorch program that it comes from.

The program is what ``torch.export.save`` writes. Each ``.npz`` holds one sample: the package's
inputs by name, in their exact shapes. Where the program's own names differ, inputs and outputs go
by order.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

import converters
from pipeline import metrics, report
from pipeline.errors import InputError
from pipeline.manifest import json_value
from pipeline.runtimes import Skipped
from pipeline.values import Arrays
from pipeline.verdict import Gate, Verdict, at_least
from pipeline.workers import Job, Report, run_jobs

if TYPE_CHECKING:
    from converters.mil_package import Package
    from pipeline.package_reference import Expected

BACKEND = "coreml"
_EMULATION = "coreml-reference"

LEAST_SNR_DB: Mapping[str, float] = {
    # Some hundred roundings of a part in 2**24 leave over 100 dB; a wrong constant never does.
    "fp32": 90,
    # A part in 2**11 at each of some hundred operators.
    "fp16": 40,
    # Five to eight bits a weight: noise is a few percent of the signal.
    **dict.fromkeys(("int8", "int7", "int6", "int5"), 20),
    # The best table of so many entries leaves 20, 15, 9 and 4 dB of a weight with a normal
    # distribution (Max, "Quantizing for minimum distortion", 1960); tables for groups do a little
    # better, several layers a little worse.
    "int4": 15,
    "int3": 10,
    "int2": 5,
    "int1": 1,
}


@dataclass(frozen=True, kw_only=True)
class OutputParity:
    """One output of the package, over all samples.

    Attributes:
        num_near_ties: Positions that the package chose otherwise, of scores that are as good. They
            count as the program's own.
    """

    name: str
    verdict: Verdict
    max_abs_diff: float
    mean_abs_diff: float
    relative_error: float
    cosine: float
    snr_db: float
    num_near_ties: int = 0


@dataclass(frozen=True, kw_only=True)
class PackageParity:
    """A package in one runtime; its numbers are those of the worst output.

    Attributes:
        precision: ``fp32``, ``fp16``, or ``int`` and the bits of the most compressed weight.
        function: The one that was compared, of a package with several; None of another package.
    """

    runtime: str
    precision: str
    verdict: Verdict
    max_abs_diff: float
    cosine: float
    snr_db: float
    num_inputs: int
    gates: tuple[Gate, ...]
    reason: str
    outputs: tuple[OutputParity, ...]
    function: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what ``parity`` of a bundle gives, too, and the outputs one by one."""
        fields = {key: json_value(value) for key, value in asdict(self).items()}
        if self.function is None:
            del fields["function"]
        return {"backend": BACKEND, **fields, "seq_len": None, "answer_agreement": None}


def check(
    package: Path,
    *,
    reference: Path,
    inputs: Sequence[Path],
    names: Sequence[str] = (),
    function: str | None = None,
    num_threads: int,
) -> tuple[list[PackageParity], list[Skipped]]:
    """Compares a package with its program, in every Core ML runtime that there is here.

    Args:
        package: An ``.mlpackage`` folder.
        reference: A ``.pt2`` file.
        inputs: ``.npz`` files, a sample each.
        names: Runtimes to use; none means all.
        function: One function of a package with several; None is the package's default.
        num_threads: For the evaluator.

    Returns:
        A verdict for each runtime; and what was not compared: runtimes that are not here, functions
        that were not asked for, and parts of a pipeline that are no programs.

    Raises:
        InputError: A file is missing, is not what it should be, or does not fit the package.
        MissingPackageError: coremltools is not installed.
    """
    chosen, skipped = _choose(names)
    if not chosen:
        return [], skipped
    from converters.mil_inspection import precision
    from converters.mil_package import open_package
    from pipeline.package_reference import load_program, read_sample

    opened = open_package(package, function=function)
    if _EMULATION in chosen and len(chosen) > 1 and _needs_emulation(opened):
        chosen = [_EMULATION]
        skipped.append(Skipped(runtime=BACKEND, reason="it is not asked for images and labels"))
    program = load_program(reference)
    samples = [read_sample(path) for path in inputs]
    compared = _Compared(package=opened, path=package, precision=precision(opened))
    # The package first: its inputs have fixed names and shapes, and errors that say so.
    actual = {name: compared.run(name, samples, inputs, num_threads) for name in chosen}
    expected = compared.expected(program, samples, reference)
    skipped += [
        Skipped(runtime=name, reason=reason) for name in chosen for reason in _not_seen(opened)
    ]
    return [compared.judge(name, actual[name], expected) for name in chosen], skipped


def check_apart(
    package: Path,
    *,
    reference: Path,
    inputs: Sequence[Path],
    names: Sequence[str] = (),
    function: str | None = None,
    num_threads: int,
) -> tuple[list[PackageParity], list[Skipped]]:
    """Compares as ``check`` does, in a process that ends at once when this one is told to.

    What others made may ask for any amount of work.
    """
    job = Job(
        name=f"parity of {package.name}",
        function=_check,
        arguments={
            "package": package, "reference": reference, "inputs": tuple(inputs),
            "names": tuple(names), "function": function, "num_threads": num_threads,
        },
    )  # fmt: skip
    found: tuple[list[PackageParity], list[Skipped]] = run_jobs([job], max_parallel=1)[0].get()
    return found


def _check(
    *,
    package: Path,
    reference: Path,
    inputs: Sequence[Path],
    names: Sequence[str],
    function: str | None,
    num_threads: int,
    report: Report,
) -> tuple[list[PackageParity], list[Skipped]]:
    """The body of the worker of ``check_apart``."""
    del report
    return check(
        package,
        reference=reference,
        inputs=inputs,
        names=names,
        function=function,
        num_threads=num_threads,
    )


def _needs_emulation(package: "Package") -> bool:
    """Returns whether a package takes or gives what only the evaluator takes as arrays."""
    interface = package.interface
    return interface.label_name is not None or any(each.is_image for each in interface.inputs)


def _not_seen(package: "Package") -> list[str]:
    """Tells what of a package was not compared."""
    functions = [
        f"function {name!r} was not compared: --function {name}" for name in package.other_functions
    ]
    parts = [
        f"part {len(package.parts) + number} of the pipeline, a {kind}, was not compared"
        for number, kind in enumerate(package.unread, start=1)
    ]
    return functions + parts


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
                escape(f"{each.function}: {output.name}" if each.function else output.name),
                report.number(output.max_abs_diff, "{:.2g}"),
                report.number(output.mean_abs_diff, "{:.2g}"),
                report.number(output.relative_error, "{:.2g}"),
                report.number(output.cosine, "{:.6f}"),
                report.number(output.snr_db, "{:.1f}"),
                _verdict(each, output),
            )
    return made


def _verdict(parity: PackageParity, output: OutputParity) -> str:
    if output.verdict == "fail":
        return f"[red]FAIL[/] {escape(parity.reason)}"
    near = f" {output.num_near_ties} near ties" if output.num_near_ties else ""
    return f"[green]PASS[/]{near}"


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


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """A package that is compared, and what its description tells of it."""

    package: "Package"
    path: Path
    precision: str

    def run(
        self, runtime: str, samples: Sequence[Arrays], paths: Sequence[Path], threads: int
    ) -> list[Arrays]:
        """Returns a runtime's outputs for each sample."""
        from converters.coreml import open_function

        runner = open_function(
            self.path, self.package.function, runtime=runtime, num_threads=threads
        )
        outputs: list[Arrays] = []
        for sample, path in zip(samples, paths, strict=True):
            try:
                outputs.append(runner.run(sample))
            except InputError as err:
                raise InputError(f"{path}: {err.message}", hint=err.hint) from err
        return outputs

    def expected(
        self, program: Any, samples: Sequence[Arrays], path: Path
    ) -> list[Mapping[str, "Expected"]]:
        """Returns the program's outputs for each sample, under the package's names."""
        from converters.coreml_reference import CoreMLReference
        from pipeline.package_reference import pair_outputs, run_program

        interface = self.package.interface
        if any(each.is_image for each in interface.inputs):
            # The program takes what the package makes of pixels.
            reference = CoreMLReference(self.path, function=self.package.function)
            samples = [reference.preprocessed(sample) for sample in samples]
        return [
            pair_outputs(run_program(program, sample, interface.input_names, path), interface, path)
            for sample in samples
        ]

    def judge(
        self, runtime: str, actual: Sequence[Arrays], expected: Sequence[Mapping[str, "Expected"]]
    ) -> PackageParity:
        """Returns the verdict on one runtime's outputs."""
        names = self.package.interface.output_names
        by_name = {
            name: ([each[name] for each in actual], [each[name] for each in expected])
            for name in names
        }
        floats = [name for name in names if by_name[name][1][0].array.dtype.kind == "f"]
        compared = {name: _compare_floats(name, self.precision, *by_name[name]) for name in floats}
        # Positions are chosen by scores as noisy as what the package gives, at most as the gate
        # allows.
        ratios = [output.snr_db for output, _ in compared.values()]
        snr_db = max(
            [LEAST_SNR_DB[self.precision], *(r for r in [min(ratios, default=0)] if r > 0)]
        )
        for name in names:
            if name not in compared:
                compared[name] = _compare_numbers(name, self.precision, snr_db, *by_name[name])
        outputs = tuple(compared[name][0] for name in names)
        gates = tuple(compared[name][1] for name in names)
        failed = [gate for gate in gates if gate.verdict == "fail"]
        return PackageParity(
            runtime=runtime,
            precision=self.precision,
            verdict="fail" if failed else "pass",
            max_abs_diff=float(np.max([each.max_abs_diff for each in outputs])),
            cosine=float(np.min([each.cosine for each in outputs])),
            snr_db=float(np.min([each.snr_db for each in outputs])),
            num_inputs=len(actual),
            gates=gates,
            reason="; ".join(map(_reason, failed)),
            outputs=outputs,
            function=self.package.function if self.package.other_functions else None,
        )


def _reason(gate: Gate) -> str:
    detail = f" ({gate.detail})" if gate.detail else ""
    return f"{gate.name} is {gate.value:.4g}, the gate is {gate.threshold:g}{detail}"


def _compare_floats(
    name: str, precision: str, actual: Sequence[np.ndarray], expected: Sequence["Expected"]
) -> tuple[OutputParity, Gate]:
    _check_shapes(name, actual, expected)
    both = _flat(actual, [each.array for each in expected])
    num_odd = both["actual"].size - int(np.isfinite(both["actual"]).sum())
    snr = math.nan if num_odd else metrics.snr_db(**both)
    detail = f"{num_odd} of {both['actual'].size} values are not finite" if num_odd else ""
    gate = at_least(f"snr_db of {name}", snr, LEAST_SNR_DB[precision], detail=detail)
    return _output(name, gate, snr, both), gate


def _compare_numbers(
    name: str,
    precision: str,
    snr_db: float,
    actual: Sequence[np.ndarray],
    expected: Sequence["Expected"],
) -> tuple[OutputParity, Gate]:
    """Compares whole numbers: equal, or positions of scores that are as good."""
    from pipeline.choices import settle

    _check_shapes(name, actual, expected)
    settled, wanted, num_near_ties = [], [], 0
    for got, each in zip(actual, expected, strict=True):
        if each.choice is None:
            pair = (got, each.array, 0)
        else:
            pair = settle(got, each.array, choice=each.choice, precision=precision, snr_db=snr_db)
        settled.append(pair[0])
        wanted.append(pair[1])
        num_near_ties += pair[2]
    both = _flat(settled, wanted)
    share = float(np.mean(both["actual"] == both["reference"]))
    detail = f"{num_near_ties} near ties count as equal" if num_near_ties else ""
    gate = at_least(f"share of equal numbers in {name}", share, 1.0, detail=detail)
    return _output(name, gate, metrics.snr_db(**both), both, num_near_ties), gate


def _flat(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {
        "actual": np.concatenate([np.asarray(each, np.float64).ravel() for each in actual]),
        "reference": np.concatenate([np.asarray(each, np.float64).ravel() for each in expected]),
    }


def _output(
    name: str, gate: Gate, snr: float, both: dict[str, np.ndarray], num_near_ties: int = 0
) -> OutputParity:
    return OutputParity(
        name=name,
        verdict=gate.verdict,
        max_abs_diff=metrics.max_abs_diff(**both),
        mean_abs_diff=metrics.mean_abs_diff(**both),
        relative_error=metrics.relative_error(**both),
        cosine=metrics.cosine(**both),
        snr_db=snr,
        num_near_ties=num_near_ties,
    )


def _check_shapes(name: str, actual: Sequence[np.ndarray], expected: Sequence["Expected"]) -> None:
    for got, wanted in zip(actual, expected, strict=True):
        if got.shape != wanted.array.shape:
            raise InputError(
                f"output {name!r} has shape {got.shape} in the package, {wanted.array.shape} in "
                "the program",
                hint="outputs go by order where names differ: export the same program",
            )
