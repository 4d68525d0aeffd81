"""Names the result of a stage by all that went into it.

Two results have one name only if nothing differs that they could depend on: the inputs by value,
PocketBERT's own sources, the versions of the packages that did the work, and the machine.
"""

import dataclasses
import functools
import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.files.checksums import hash_file

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from converters.values.program import TracedModel


SOURCES = tuple(Path(str(resources.files(name))) for name in ("pipeline", "converters"))
"""The folders of both packages, whatever room a stage is in."""


def stage_key(stage: str, inputs: Mapping[str, Any], *, packages: Iterable[str]) -> str:
    """Returns what names the result of a stage, a sha256 in hexadecimal.

    Args:
        stage: Its name.
        inputs: All that it is given, as ``fingerprint`` takes it.
        packages: The distributions that do the work.
    """
    return fingerprint(
        {
            "stage": stage,
            "inputs": inputs,
            "versions": versions(packages),
            "sources": hash_sources(SOURCES),
            "machine": machine(),
        }
    )


def fingerprint(value: Any) -> str:
    """Returns the sha256 of a value, in hexadecimal.

    Args:
        value: Arrays, texts, numbers, paths, and what sequences, mappings and dataclasses make of
            them. A path stands for what lies there, a file or a folder, and not for itself.
    """
    digest = hashlib.sha256()
    _add(digest, value)
    return digest.hexdigest()


def of_model(model: "PreTrainedModel") -> str:
    """Returns the sha256 of a model: its class, its configuration and its weights."""
    settings = model.config.to_dict()
    settings.pop("_name_or_path", None)  # where it lay does not matter
    return fingerprint(
        {
            "architecture": type(model).__name__,
            "settings": settings,
            "weights": _arrays(model.state_dict()),
        }
    )


def of_trace(traced: "TracedModel") -> str:
    """Returns the sha256 of an exported program: its graph, its weights and its lengths."""
    program = traced.program
    return fingerprint(
        {
            "graph": program.graph_module.code,
            "signature": str(program.graph_signature),
            "ranges": str(program.range_constraints),
            "weights": _arrays(program.state_dict),
            "constants": _arrays(program.constants),
            "names": (traced.input_names, traced.output_names),
            "seq_lens": traced.seq_lens,
        }
    )


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Returns the version of each distribution, or None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


@functools.cache
def hash_sources(folders: Sequence[Path]) -> str:
    """Returns the sha256 of all Python files in folders; changed code makes other results."""
    return fingerprint(
        [
            {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.py"))}
            for folder in folders
        ]
    )


@functools.cache
def machine() -> tuple[str, ...]:
    """Returns what of this machine shows in results: kernels are chosen by the processor."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    told = {line.partition(":")[0].strip(): line for line in reversed(lines)}
    processor = [told[name] for name in ("model name", "flags", "Features") if name in told]
    python = platform.python_version()
    return (sys.platform, platform.machine(), platform.processor(), python, *processor)


def _arrays(tensors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: tensor.detach().contiguous().numpy() for name, tensor in tensors.items()}


def _add(digest: Any, value: Any) -> None:
    """Adds a value with its kind and its size, so that no two values add the same bytes."""
    if isinstance(value, np.ndarray):
        digest.update(f"array {value.dtype.str} {value.shape}\n".encode())
        digest.update(np.ascontiguousarray(value).data.cast("B") if value.size else b"")
    elif isinstance(value, Path):
        _add(digest, _contents(value))
    elif isinstance(value, Mapping):
        digest.update(f"mapping {len(value)}\n".encode())
        for key, item in value.items():
            _add(digest, key)
            _add(digest, item)
    elif isinstance(value, tuple | list):
        digest.update(f"sequence {len(value)}\n".encode())
        for item in value:
            _add(digest, item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        digest.update(f"dataclass {type(value).__name__}\n".encode())
        _add(digest, vars(value))
    elif value is None or isinstance(value, str | int | float):
        text = f"{value!r}".encode()
        digest.update(f"{type(value).__name__} {len(text)}\n".encode() + text)
    else:
        raise TypeError(f"no fingerprint is defined for a {type(value).__name__}")


def _contents(path: Path) -> str | dict[str, str]:
    """Returns the hash of a file, or of every file of a folder by its name in it."""
    if path.is_file():
        return hash_file(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): hash_file(file) for file in files}
