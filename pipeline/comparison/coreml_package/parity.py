"""Compares a Core ML package that anyone made with the PyTorch program that it comes from.

The program is what ``torch.export.save`` writes. Each ``.npz`` holds one sample: the package's
inputs by name, in their exact shapes. Where the program's own names differ, inputs and outputs go
by order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from converters import backends
from converters.values.artifact import Arrays
from converters.values.errors import InputError
from pipeline.comparison.coreml_package.choices import Expected
from pipeline.comparison.coreml_package.verdict import (
    BACKEND,
    LEAST_SNR_DB,
    PackageParity,
    judge,
)
from pipeline.comparison.runtimes import Skipped
from pipeline.running.jobs import Job, run_jobs

if TYPE_CHECKING:
    import torch

    from converters.coreml_evaluator.package import Package

__all__ = ["LEAST_SNR_DB", "Comparison", "PackageParity", "check", "check_apart"]

_EMULATION = "coreml-reference"

_MAX_SECONDS_PER_SAMPLE = 1800
"""Of all runtimes and the program together. The largest models that a phone runs take a minute."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is to be compared.

    Attributes:
        package: An ``.mlpackage`` folder.
        reference: A ``.pt2`` file.
        inputs: ``.npz`` files, a sample each.
        names: Runtimes to use; empty for all.
        function: One function of a package with several; None is the package's default.
        num_threads: For the evaluator.
    """

    package: Path
    reference: Path
    inputs: Sequence[Path]
    names: Sequence[str] = ()
    function: str | None = None
    num_threads: int


def check(asked: Comparison) -> tuple[list[PackageParity], list[Skipped]]:
    """Compares a package with its program, in every Core ML runtime that there is here.

    Returns:
        A verdict for each runtime; and what was not compared: runtimes that are not here, functions
        that were not asked for, and parts of a pipeline that are no programs.

    Raises:
        InputError: A file is missing, is not what it should be, or does not fit the package.
        MissingPackageError: coremltools is not installed.
    """
    chosen, skipped = _choose(asked.names)
    if not chosen:
        return [], skipped
    from converters.coreml.inspection import precision
    from converters.coreml_evaluator.package import open_package
    from pipeline.comparison.coreml_package.reference import load_program, read_sample

    opened = open_package(asked.package, function=asked.function)
    if _EMULATION in chosen and len(chosen) > 1 and _needs_emulation(opened):
        chosen = [_EMULATION]
        skipped.append(Skipped(runtime=BACKEND, reason="it is not asked for images and labels"))
    program = load_program(asked.reference)
    samples = [read_sample(path) for path in asked.inputs]
    # The package first: its inputs have fixed names and shapes, and errors that say so.
    actual = {name: _run(opened, name, samples, asked) for name in chosen}
    expected = _expect(opened, program, samples, asked.reference)
    stored = precision(opened)
    skipped += [
        Skipped(runtime=name, reason=reason) for name in chosen for reason in _not_seen(opened)
    ]
    return [
        judge(
            actual[name],
            expected,
            names=opened.interface.output_names,
            runtime=name,
            precision=stored,
            function=opened.function if opened.other_functions else None,
        )
        for name in chosen
    ], skipped


def check_apart(asked: Comparison) -> tuple[list[PackageParity], list[Skipped]]:
    """Compares as ``check`` does, in a process that ends at once when this one is told to.

    What others made may ask for any amount of work.
    """
    job = Job(
        name=f"parity of {asked.package.name}",
        function=check,
        arguments={"asked": asked},
        max_silent_seconds=_MAX_SECONDS_PER_SAMPLE * (1 + len(asked.inputs)),
    )
    found: tuple[list[PackageParity], list[Skipped]] = run_jobs([job], max_parallel=1)[0].get()
    return found


def _needs_emulation(package: "Package") -> bool:
    """Returns whether a package takes or gives what only the evaluator takes as arrays."""
    interface = package.interface
    return interface.label_name is not None or any(each.is_image for each in interface.inputs)


def _not_seen(package: "Package") -> list[str]:
    """Returns in words what of a package was not compared."""
    functions = [
        f"function {name!r} was not compared: --function {name}" for name in package.other_functions
    ]
    parts = [
        f"part {len(package.parts) + number} of the pipeline, a {kind}, was not compared"
        for number, kind in enumerate(package.unread, start=1)
    ]
    return functions + parts


def _choose(names: Sequence[str]) -> tuple[list[str], list[Skipped]]:
    known = backends.runtimes_of(BACKEND)
    for name in names:
        if name not in {runtime.name for runtime in known}:
            raise InputError(
                f"no runtime {name!r} runs Core ML packages",
                hint=f"choose from {', '.join(runtime.name for runtime in known)}",
            )
    chosen, skipped = [], []
    for runtime in known:
        if not names or runtime.name in names:
            reason = backends.why_unavailable(runtime)
            if reason is None:
                chosen.append(runtime.name)
            else:
                skipped.append(Skipped(runtime=runtime.name, reason=reason))
    return chosen, skipped


def _run(
    package: "Package", runtime: str, samples: Sequence[Arrays], asked: Comparison
) -> list[Arrays]:
    """Returns a runtime's outputs for each sample."""
    from converters.coreml.runtime import open_function

    runner = open_function(
        package.path, package.function, runtime=runtime, num_threads=asked.num_threads
    )
    outputs: list[Arrays] = []
    for sample, path in zip(samples, asked.inputs, strict=True):
        try:
            outputs.append(runner.run(sample))
        except InputError as err:
            raise InputError(f"{path}: {err.message}", hint=err.hint) from err
    return outputs


def _expect(
    package: "Package",
    program: "torch.export.ExportedProgram",
    samples: Sequence[Arrays],
    path: Path,
) -> list[Mapping[str, Expected]]:
    """Returns the program's outputs for each sample, under the package's names."""
    from converters.coreml_evaluator.evaluator import CoreMLReference
    from pipeline.comparison.coreml_package.reference import pair_outputs, run_program

    interface = package.interface
    if any(each.is_image for each in interface.inputs):
        # The program takes what the package makes of pixels.
        reference = CoreMLReference(package.path, function=package.function)
        samples = [reference.preprocessed(sample) for sample in samples]
    return [
        pair_outputs(run_program(program, sample, interface.input_names, path), interface, path)
        for sample in samples
    ]
