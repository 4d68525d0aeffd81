"""Inspects artifacts: one file or package, or all those of a bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converters import backends
from converters.values.artifact import Inspection, StoredTensor
from converters.values.errors import InputError
from pipeline.bundle.open import open_bundle
from pipeline.running.jobs import MAX_SECONDS_PER_FILE, Job, WorkerCrash, run_jobs

_NUM_LARGEST = 10
"""Tensors of an artifact that are named."""


def inspect(path: Path) -> dict[str, Inspection]:
    """Returns what each artifact holds, by the path that the user knows it by.

    Raises:
        InputError: The path holds neither an artifact nor a bundle.
        MissingPackageError: The package that reads the format is not installed.
    """
    if not path.exists():
        raise InputError(f"no artifact or bundle at {path}", hint="check the path")
    suffixes = {Path(backends.backend(name).FILE_NAME).suffix: name for name in backends.BACKENDS}
    backend = suffixes.get(path.suffix)
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


def as_json(found: Mapping[str, Inspection]) -> dict[str, Any]:
    """Returns what ``--json`` prints of artifacts by path, the ten largest tensors of each."""
    return {
        "artifacts": [
            {
                "path": path,
                "size_bytes": each.size_bytes,
                "bytes_by_dtype": dict(each.bytes_by_dtype),
                "largest_tensors": [_tensor(tensor) for tensor in each.tensors[:_NUM_LARGEST]],
                "float_bytes": sum(tensor.size_bytes for tensor in each.float_tensors),
                "largest_float_tensors": [
                    _tensor(tensor) for tensor in each.float_tensors[:_NUM_LARGEST]
                ],
                "num_ops": each.num_ops,
                "num_delegated_ops": each.num_delegated_ops,
                "num_macs": each.num_macs,
                "num_delegated_macs": each.num_delegated_macs,
            }
            for path, each in found.items()
        ]
    }


def _tensor(stored: StoredTensor) -> dict[str, str | int]:
    return {"name": stored.name, "dtype": stored.dtype, "size_bytes": stored.size_bytes}
