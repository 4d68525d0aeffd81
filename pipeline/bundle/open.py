"""Bundles: opened from a folder or a zip, and verified."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from converters.values.artifact import Artifact, TensorSpec
from converters.values.errors import InputError
from pipeline.bundle import archive, signature
from pipeline.bundle.manifest import (
    FILE_NAME,
    RECIPE,
    VECTORS,
    Manifest,
    ManifestDamagedError,
    Platform,
    read_manifest,
)
from pipeline.bundle.manifest_parts import ArtifactPart, TensorPart
from pipeline.bundle.signature import Signature
from pipeline.files.checksums import check_files, hash_file, problem_of_file
from pipeline.files.other_files import refuse_other_file


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An opened bundle.

    Attributes:
        platform: The platform whose files alone are here; None where it is the whole bundle.
    """

    folder: Path
    manifest: Manifest
    platform: Platform | None

    @property
    def files(self) -> dict[str, str]:
        """The sha256 of every file that is to be here, by relative path."""
        if self.platform is None:
            return self.manifest.files
        return {name: self.manifest.files[name] for name in self.manifest.platforms[self.platform]}

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts that are to be here, with their paths on this machine."""
        parts = self.manifest.artifacts
        return tuple(self._artifact(part) for part in parts if self.has(part))

    @property
    def task_library(self) -> Artifact | None:
        """The variant that Google's Task Library opens, where there is one."""
        part = self.manifest.task_library
        return self._artifact(part) if part is not None and self.has(part) else None

    def _artifact(self, part: ArtifactPart) -> Artifact:
        return Artifact(
            backend=part.backend,
            precision=part.precision,
            activations=part.activations,
            compute_units=part.compute_units,
            path=self.folder / part.path,
            seq_lens=part.seq_lens,
            requires=part.requires,
            entry_points=part.entry_points,
            inputs=tuple(TensorSpec(**spec.model_dump()) for spec in part.inputs),
            outputs=tuple(TensorSpec(**spec.model_dump()) for spec in part.outputs),
            bundle=self.folder,
            sha256s={name: sha for name, sha in self.files.items() if part.holds(name)},
        )

    def has(self, part: ArtifactPart) -> bool:
        """Returns whether an artifact is to be here."""
        return any(part.holds(name) for name in self.files)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with one file of a bundle; ``path`` is relative to it."""

    path: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was found out about a bundle.

    Attributes:
        signer: The sha256 of the public key that signed it, in DER; ``None`` where none did.
        platform: The platform that it is for; None where it is the whole bundle, or unreadable.
        manifest: None where it is damaged.
    """

    problems: tuple[Problem, ...]
    signature: Signature
    signer: str | None = None
    platform: Platform | None = None
    manifest: Manifest | None = None


@contextlib.contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Opens a bundle's folder, or unpacks its zip for as long as it is open.

    What is small was compared with the manifest's hashes then; an artifact is when it is loaded.

    Raises:
        InputError: There is no bundle at the path, or it is unsafe to unpack.
        GateError: Its manifest, tokenizer, recipe or vectors are not what was written.
    """
    with _unpacked(path) as folder:
        opened = _open(folder, shown_as=path)
        part = opened.manifest.tokenizer
        read = {part.vocabulary, part.unicode_tables, VECTORS, RECIPE}
        check_files(folder, {name: sha for name, sha in opened.files.items() if name in read})
        yield opened


def hash_files(folder: Path) -> dict[str, str]:
    """Returns the sha256 of every file that a manifest lists, by relative path."""
    return {name: hash_file(folder / name) for name in _list_files(folder)}


def verify(path: Path, *, public_key: Ed25519PublicKey | None = None) -> Verified:
    """Compares every file of a bundle with its manifest, and the manifest with its own hash.

    Args:
        path: A folder or a zip.
        public_key: Given, the manifest must be signed by its owner. Without, a signature must be
            of the key that the bundle holds.

    Raises:
        InputError: There is no bundle at the path.
    """
    with _unpacked(path) as folder:
        signed = signature.check(folder, public_key)
        problems = []
        if signed.problem is not None:
            problems.append(Problem(path=signed.path, problem=signed.problem))
        platform, manifest = None, None
        try:
            opened = _open(folder, shown_as=path)
            platform, manifest = opened.platform, opened.manifest
            problems += _compare_files(opened)
        except ManifestDamagedError as err:
            problems.append(Problem(path=FILE_NAME, problem=err.message))
        return Verified(
            problems=tuple(problems),
            signature=signed.signature,
            signer=signed.signer,
            platform=platform,
            manifest=manifest,
        )


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    refuse_other_file(path)
    if os.path.isdir(path):  # noqa: PTH112  a name that is too long is no bundle either
        yield path
    elif os.path.isfile(path):  # noqa: PTH113  as above
        with tempfile.TemporaryDirectory(prefix="pocketbert-") as folder:
            yield archive.unpack(path, Path(folder), landmark=FILE_NAME)
    else:
        raise InputError(f"no bundle at {path}", hint="make one with `pocketbert build`")


def _open(folder: Path, *, shown_as: Path) -> Bundle:
    manifest = read_manifest(folder, shown_as=shown_as)
    return Bundle(folder=folder, manifest=manifest, platform=_platform(folder, manifest))


def _platform(folder: Path, manifest: Manifest) -> Platform | None:
    """Returns the platform that all files here are for; of several, that which lacks fewest."""
    present = set(_list_files(folder))
    missing = {
        platform: len(set(files) - present)
        for platform, files in manifest.platforms.items()
        if present <= set(files)
    }
    return min(missing, key=lambda platform: missing[platform], default=None)


def _compare_files(bundle: Bundle) -> list[Problem]:
    """Changed, missing and added files are problems."""
    stated = bundle.files
    present = set(_list_files(bundle.folder))
    problems = [Problem(path=name, problem="missing") for name in sorted(set(stated) - present)]
    problems += [
        Problem(path=name, problem="not in the manifest") for name in sorted(present - set(stated))
    ]
    for name in sorted(present & set(stated)):
        problem = problem_of_file(bundle.folder / name, stated[name])
        if problem is not None:
            problems.append(Problem(path=name, problem=problem))
    return problems or _compare_sizes(bundle)


def _compare_sizes(bundle: Bundle) -> list[Problem]:
    """Artifacts, each file of which is here, take what the manifest says."""
    problems = []
    for artifact in bundle.manifest.all_artifacts:
        size = size_bytes(bundle.folder / artifact.path)
        if bundle.has(artifact) and size != artifact.size_bytes:
            problem = f"takes {size} bytes, where the manifest says {artifact.size_bytes}"
            problems.append(Problem(path=artifact.path, problem=problem))
    return problems


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
        requires=dict(artifact.requires),
        entry_points=artifact.entry_points,
        inputs=tuple(TensorPart(**vars(spec)) for spec in artifact.inputs),
        outputs=tuple(TensorPart(**vars(spec)) for spec in artifact.outputs),
    )


def size_bytes(path: Path) -> int:
    """Returns the size of an artifact, which is a file or a package of files."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _list_files(folder: Path) -> list[str]:
    """Returns what a manifest lists: all but itself and its signature, by relative path."""
    names = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    return sorted(names - {FILE_NAME, signature.FILE_NAME, signature.KEY_FILE_NAME})
