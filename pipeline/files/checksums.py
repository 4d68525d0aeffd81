"""Compares files with the hashes that a manifest states of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from converters.values.artifact import Artifact
from converters.values.errors import GateError


def hash_file(path: Path) -> str:
    """Returns the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def problem_of_file(path: Path, sha256: str) -> str | None:
    """Returns in words how a file is not the one that a hash is of; ``None`` where it is."""
    if path.is_symlink():
        return "is a link"
    if not path.exists():
        return "missing"
    if not path.is_file():
        return "is not a file"
    return None if hash_file(path) == sha256 else "changed: its sha256 differs"


def check_files(folder: Path, sha256s: Mapping[str, str]) -> None:
    """Refuses files that are not those that a manifest states.

    Args:
        folder: A bundle's.
        sha256s: By path inside it.

    Raises:
        GateError: One is missing or changed.
    """
    for name, sha256 in sha256s.items():
        problem = problem_of_file(folder / name, sha256)
        if problem is not None:
            raise GateError(
                f"{name} of the bundle is not what its manifest states: {problem}",
                hint="get or build the bundle again",
            )


def checked(artifact: Artifact) -> Artifact:
    """Returns an artifact that is about to be read, once its files were compared.

    Raises:
        GateError: One is missing or changed.
    """
    if artifact.bundle is None:
        return artifact
    check_files(artifact.bundle, artifact.sha256s)
    return replace(artifact, bundle=None, sha256s={})
