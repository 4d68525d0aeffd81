"""Bundles: written whole or not at all, opened from a folder or a zip, and verified."""

import contextlib
import fcntl
import glob
import json
import lzma
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from pipeline.errors import InputError, first_line, storage_error
from pipeline.manifest import (
    FILE_NAME,
    ArtifactPart,
    Manifest,
    ManifestDamagedError,
    TensorPart,
    hash_file,
    read_manifest,
)
from pipeline.values import Artifact, TensorSpec

MAX_UNPACKED_BYTES = 4 * 10**9
"""No bundle of a student that a phone can hold comes near it; a zip bomb does."""

MAX_MEMBERS = 10_000
"""Files and folders of a zip. A bundle has some twenty."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An opened bundle."""

    folder: Path
    manifest: Manifest

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts, with their paths on this machine."""
        return tuple(_artifact(part, self.folder) for part in self.manifest.artifacts)

    @property
    def task_library(self) -> Artifact | None:
        """The variant that Google's Task Library opens, where there is one."""
        part = self.manifest.task_library
        return None if part is None else _artifact(part, self.folder)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with one file of a bundle; ``path`` is relative to it."""

    path: str
    problem: str


@contextlib.contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Opens a bundle's folder, or unpacks its zip for as long as it is open.

    Raises:
        InputError: There is no bundle at the path, or it is unsafe to unpack.
    """
    if os.path.isdir(path):  # noqa: PTH112  a name that is too long is no bundle either
        yield Bundle(folder=path, manifest=read_manifest(path))
    elif os.path.isfile(path):  # noqa: PTH113  as above
        with tempfile.TemporaryDirectory(prefix="pocketbert-") as folder:
            unpack(path, Path(folder))
            manifest = read_manifest(Path(folder), shown_as=path)
            yield Bundle(folder=Path(folder), manifest=manifest)
    else:
        raise InputError(f"no bundle at {path}", hint="make one with `pocketbert build`")


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a bundle's zip without leaving the folder, following links or filling the disk."""
    try:
        with zipfile.ZipFile(archive) as opened:
            _check_members(archive, opened.infolist())
            opened.extractall(folder)
    except InputError:
        raise
    # A damaged zip fails with the errors of its decompressor, of the numbers and names in it (an
    # empty one: IndexError), or, where it is encrypted, with RuntimeError.
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, IndexError, OSError, RuntimeError,
        ValueError,
    ) as err:  # fmt: skip
        if storage_error(err) is not None:
            raise
        raise InputError(
            f"{archive} is neither a bundle's folder nor a readable zip: {first_line(err)}",
            hint="give what `pocketbert build` wrote",
        ) from err


@contextlib.contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Gives a folder to fill, and moves it to the destination when all went well.

    An earlier bundle at the destination is replaced only then; whatever interrupts the work leaves
    it as it was. Anything else at the destination is never touched. What a killed build left
    behind goes when the next one begins.

    Raises:
        InputError: The destination holds something that is not a bundle.
        OSError: It cannot be written.
    """
    check_destination(destination)
    destination = destination.resolve()
    destination.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{destination.name}.partial-"
    for left_over in destination.parent.glob(f"{glob.escape(prefix)}*"):
        with _lock(left_over) as is_ours:
            if is_ours:
                shutil.rmtree(left_over, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=destination.parent))
    with _lock(folder):
        try:
            yield folder
            folder.chmod(0o755)
            _replace(folder, destination)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Locks a folder while the block runs, and says whether that could be done.

    The system drops the lock of a process that dies, however it dies.
    """
    with contextlib.ExitStack() as stack:
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # somebody holds it or owns it, or this file system knows no locks
            yield False
        else:
            yield True


def check_destination(destination: Path) -> None:
    """Refuses to write where something other than a bundle lies."""
    hint = "choose another folder with -o"
    try:
        if destination.exists() or destination.is_symlink():
            if not destination.is_dir() or (
                any(destination.iterdir()) and not _is_ours(destination)
            ):
                raise InputError(
                    f"{destination} exists and is not a bundle, so it is not overwritten", hint=hint
                )
            return
        parent = next(place for place in destination.absolute().parents if place.exists())
    except OSError as err:
        if storage_error(err) is not None:
            raise
        raise InputError(f"no folder can be {destination}: {err.strerror}", hint=hint) from err
    if not parent.is_dir():
        raise InputError(f"{parent} is not a folder, so nothing can be written in it", hint=hint)


def hash_files(folder: Path) -> dict[str, str]:
    """Returns the sha256 of every file but the manifest, by relative path."""
    return {name: hash_file(folder / name) for name in _list_files(folder) if name != FILE_NAME}


def verify(path: Path) -> tuple[Problem, ...]:
    """Compares every file of a bundle with its manifest, and the manifest with its own hash.

    Raises:
        InputError: There is no bundle at the path.
    """
    try:
        with open_bundle(path) as opened:
            return _compare_files(opened)
    except ManifestDamagedError as err:
        return (Problem(path=FILE_NAME, problem=err.message),)


def _compare_files(bundle: Bundle) -> tuple[Problem, ...]:
    """Changed, missing and added files are problems."""
    stated = bundle.manifest.files
    present = set(_list_files(bundle.folder)) - {FILE_NAME}
    problems = [Problem(path=name, problem="missing") for name in sorted(set(stated) - present)]
    problems += [
        Problem(path=name, problem="not in the manifest") for name in sorted(present - set(stated))
    ]
    for name in sorted(present & set(stated)):
        path = bundle.folder / name
        if path.is_symlink():
            problems.append(Problem(path=name, problem="is a link"))
        elif not path.is_file():
            problems.append(Problem(path=name, problem="is not a file"))
        elif hash_file(path) != stated[name]:
            problems.append(Problem(path=name, problem="changed: its sha256 differs"))
    return tuple(problems)


def artifact_part(artifact: Artifact, folder: Path) -> ArtifactPart:
    """Returns what the manifest says of an artifact inside a bundle's folder."""
    return ArtifactPart(
        backend=artifact.backend,
        precision=artifact.precision,
        activations=artifact.activations,
        compute_units=artifact.compute_units,
        path=artifact.path.relative_to(folder).as_posix(),
        size_bytes=size_bytes(artifact.path),
        seq_lens=artifact.seq_lens,
        inputs=tuple(TensorPart(**vars(spec)) for spec in artifact.inputs),
        outputs=tuple(TensorPart(**vars(spec)) for spec in artifact.outputs),
    )


def size_bytes(path: Path) -> int:
    """Returns the size of an artifact, which is a file or a package of files."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _artifact(part: ArtifactPart, folder: Path) -> Artifact:
    return Artifact(
        backend=part.backend,
        precision=part.precision,
        activations=part.activations,
        compute_units=part.compute_units,
        path=folder / part.path,
        seq_lens=part.seq_lens,
        inputs=tuple(TensorSpec(**spec.model_dump()) for spec in part.inputs),
        outputs=tuple(TensorSpec(**spec.model_dump()) for spec in part.outputs),
    )


def _is_ours(folder: Path) -> bool:
    """Tells a bundle, damaged or of another version perhaps, from others with such a file."""
    try:
        content = json.loads((folder / FILE_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "pocketbert_version" in content


def _list_files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )


def _check_members(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    hint = "do not use it: no bundle that `pocketbert` wrote looks like this"
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise InputError(
            f"{archive} would unpack to more than {MAX_UNPACKED_BYTES:,} bytes", hint=hint
        )
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{archive} holds more than {MAX_MEMBERS:,} files", hint=hint)
    seen: set[PureWindowsPath] = set()
    for member in members:
        # Windows' rules know the separators, roots and drives of all systems.
        name = PureWindowsPath(member.filename)
        if name.anchor or ".." in name.parts:
            raise InputError(f"{archive} holds {member.filename!r}, outside of itself", hint=hint)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{archive} holds a link, {member.filename!r}", hint=hint)
        # Of two files of one name some readers take the first, and others the last.
        if name in seen:
            raise InputError(f"{archive} holds {member.filename!r} twice", hint=hint)
        seen.add(name)


def _replace(folder: Path, destination: Path) -> None:
    """Moves a finished folder into place; an earlier one steps aside first."""
    if not destination.exists():
        folder.rename(destination)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{destination.name}.old-", dir=destination.parent))
    earlier = aside / destination.name
    try:
        destination.rename(earlier)
        folder.rename(destination)
    finally:
        if not destination.exists():
            earlier.rename(destination)
        shutil.rmtree(aside, ignore_errors=True)
