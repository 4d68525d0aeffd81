"""Inspects artifacts: one file or package, or all those of a bundle."""

from pathlib import Path

from converters import backends
from converters.values.artifact import Inspection
from converters.values.errors import InputError
from pipeline.bundle.open import open_bundle
from pipeline.running.jobs import MAX_SECONDS_PER_FILE, Job, WorkerCrash, run_jobs

_SUFFIXES = {".pte": "executorch", ".tflite": "tflite", ".mlpackage": "coreml"}


def inspect(path: Path) -> dict[str, Inspection]:
    """Returns what each artifact holds, by the path that the user knows it by.

    Raises:
        InputError: The path holds neither an artifact nor a bundle.
        MissingPackageError: The package that reads the format is not installed.
    """
    if not path.exists():
        raise InputError(f"no artifact or bundle at {path}", hint="check the path")
    backend = _SUFFIXES.get(path.suffix)
    if backend is not None:
        return {str(path): _inspect(path, backend)}
    with open_bundle(path) as opened:
        return {
            str(path.resolve() / part.path): _inspect(opened.folder / part.path, part.backend)
            for part in opened.manifest.all_artifacts
        }


def _inspect(path: Path, backend: str) -> Inspection:
    """Reads a file in a process of its own: a damaged one can crash its parser."""
    backends.check_installed(backend)
    arguments = {"path": path, "backend": backend}
    job = Job(
        name=f"inspect {path.name}",
        function=read,
        arguments=arguments,
        max_silent_seconds=MAX_SECONDS_PER_FILE,
    )
    try:
        found: Inspection = run_jobs([job], max_parallel=1)[0].get()
    except WorkerCrash as err:
        raise InputError(f"{path} cannot be read: {err.message}", hint="build it again") from err
    return found


def read(*, path: Path, backend: str) -> Inspection:
    """Reads one artifact; the body of a worker."""
    return backends.backend(backend).inspect(path)
