"""Converts a traced student for every backend, each in a process of its own."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters import backends as converters
from converters.conversion import NO_OPTIONS, BackendOptions, Conversion
from converters.values.artifact import Artifact, TensorSpec
from converters.values.errors import PocketBertError, StorageError
from converters.values.program import TracedModel
from converters.weights.quantized import ModelWeights
from pipeline.conversion import audit
from pipeline.files.permissions import open_up
from pipeline.running.cache import Contents, Kept, as_array, from_array
from pipeline.running.fingerprint import of_trace, stage_key
from pipeline.running.jobs import Job, Outcome
from pipeline.running.run import Run

_PACKAGES = ("torch", "numpy")
_PACKAGES_BESIDE = {
    "executorch": ("flatbuffers",),
    "tflite": ("ai-edge-quantizer", "flatbuffers", "litert-converter", "protobuf"),
    "coreml": ("protobuf",),
}
"""What has a hand in the bytes of a file, beside PyTorch and what a backend names as its own."""

_ABOUT = "about"


@dataclass(frozen=True, kw_only=True)
class Unbuilt:
    """An artifact that could not be built while others could.

    Attributes:
        runtimes: Those that would have run it.
        error: What stopped it.
    """

    backend: str
    runtimes: tuple[str, ...]
    error: PocketBertError

    @classmethod
    def of_backend(cls, backend: str, error: PocketBertError) -> "Unbuilt":
        """Returns the main artifact of a backend, which all its runtimes run."""
        names = (each.name for each in converters.runtimes_of(backend))
        return cls(backend=backend, runtimes=tuple(names), error=error)


def convert(
    traced: TracedModel,
    backends: Sequence[str],
    *,
    weights: ModelWeights,
    options: BackendOptions,
    folder: Path,
    run: Run,
) -> tuple[list[Artifact], list[Unbuilt]]:
    """Writes an artifact for every backend, or takes it from the cache.

    A backend that fails leaves nothing in the folder, and does not stop the others.

    Args:
        traced: The student.
        backends: Their names.
        weights: What artifacts store.
        options: What is chosen for single backends.
        folder: Where each backend gets a folder; one of an attempt before is replaced.
        run: Its threads, cache and progress.

    Raises:
        StorageError: The disk is full or closed, which no backend can help.
        PocketBertError: No artifact could be built; the kind is that of the first backend's error.
    """
    for name in backends:
        shutil.rmtree(folder / name, ignore_errors=True)
    program_hash = "" if run.cache is None else of_trace(traced)

    def kept(job: Job[Artifact]) -> Kept[Artifact]:
        name = job.arguments["backend"]
        return Kept(
            key=conversion_key(name, program_hash, weights=weights, options=options),
            pack=pack,
            unpack=lambda contents: unpack(contents, folder / name),
        )

    with tempfile.TemporaryDirectory(prefix="pocketbert-") as scratch:
        program = Path(scratch, "traced.pt2")
        traced.save(program)
        common = {"program": program, "weights": weights, "options": options}
        jobs = [
            Job(name=f"convert {name}", function=convert_saved,
                arguments={**common, "backend": name, "folder": folder / name})
            for name in backends
        ]  # fmt: skip
        outcomes = run.run_jobs(jobs, kept=kept, max_parallel=2)
    unbuilt = _unbuilt(backends, outcomes, folder)
    return [outcome.get() for outcome in outcomes if outcome.error is None], unbuilt


def _unbuilt(
    backends: Sequence[str], outcomes: Sequence[Outcome[Artifact]], folder: Path
) -> list[Unbuilt]:
    """Returns what failed, and leaves nothing of it, in a build that is worth going on with."""
    unbuilt = [
        Unbuilt.of_backend(name, outcome.error)
        for name, outcome in zip(backends, outcomes, strict=True)
        if outcome.error is not None
    ]
    _check_worth_going_on(unbuilt, num_backends=len(backends))
    for each in unbuilt:
        shutil.rmtree(folder / each.backend, ignore_errors=True)
    return unbuilt


def _check_worth_going_on(unbuilt: Sequence[Unbuilt], *, num_backends: int) -> None:
    """Raises what concerns all backends, and what is left of a build in which none succeeded."""
    for each in unbuilt:
        if isinstance(each.error, StorageError) or num_backends == 1:
            raise each.error
    if len(unbuilt) == num_backends:
        first = unbuilt[0].error
        reasons = "; ".join(f"{each.backend}: {each.error.message}" for each in unbuilt)
        raise type(first)(f"no artifact could be built: {reasons}", hint=first.hint) from first


def convert_saved(
    *,
    program: Path,
    backend: str,
    weights: ModelWeights,
    options: BackendOptions = NO_OPTIONS,
    folder: Path,
) -> Artifact:
    """Converts a saved trace for one backend, and audits the file; the body of a worker.

    Raises:
        GateError: The file does not hold what its precision promises.
    """
    module = converters.backend(backend)
    folder.mkdir()
    path = folder / module.FILE_NAME
    traced = TracedModel.load(program)
    artifact = module.convert(
        Conversion(traced=traced, weights=weights, path=path, options=options)
    )
    _open_to_readers(folder)
    originals = traced.matrices()
    audit.check(artifact, module.read_matrices(path), weights=weights, originals=originals)
    return artifact


def conversion_key(
    backend: str, program_hash: str, *, weights: ModelWeights, options: BackendOptions
) -> str:
    """Returns what names the artifact that a backend makes of a program, see ``of_trace``."""
    inputs = {"program": program_hash, "weights": weights, "options": options}
    beside = _PACKAGES_BESIDE.get(backend, ())
    packages = (*_PACKAGES, *converters.BACKENDS[backend], *beside)
    return stage_key(f"convert {backend}", inputs, packages=packages)


def pack(artifact: Artifact) -> Contents:
    """Returns an artifact as arrays, each of its files as bytes."""
    root = artifact.path
    files = [root] if root.is_file() else sorted(each for each in root.rglob("*") if each.is_file())
    names = [each.relative_to(root.parent).as_posix() for each in files]
    about = asdict(artifact) | {"path": root.name}
    arrays = {_ABOUT: as_array({"artifact": about, "files": names})}
    for name, file in zip(names, files, strict=True):
        arrays[f"file {name}"] = np.fromfile(file, np.uint8)
    return arrays


def unpack(contents: Contents, folder: Path) -> Artifact:
    """Writes the artifact that ``pack`` took, in a folder that does not exist yet."""
    about: Any = from_array(contents[_ABOUT])
    for name in about["files"]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        contents[f"file {name}"].tofile(path)
    fields = about["artifact"]
    return Artifact(
        **fields
        | {
            "path": folder / fields["path"],
            "seq_lens": tuple(fields["seq_lens"]),
            "entry_points": tuple(fields["entry_points"]),
            "inputs": tuple(TensorSpec(**spec) for spec in fields["inputs"]),
            "outputs": tuple(TensorSpec(**spec) for spec in fields["outputs"]),
        }
    )


def _open_to_readers(folder: Path) -> None:
    """Gives files the permissions that new ones get; Core ML's come from a temporary folder."""
    for path in folder.rglob("*"):
        open_up(path)
