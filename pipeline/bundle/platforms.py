"""What one platform needs of a bundle, as one zip."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from converters.values.errors import GateError, InputError
from pipeline.bundle import archive, signature
from pipeline.bundle.manifest import FILE_NAME, VECTORS, Platform
from pipeline.bundle.manifest_parts import UNICODE_TABLES, VOCABULARY, ArtifactPart, VerdictPart
from pipeline.bundle.open import Bundle, open_bundle, verify

PLATFORMS: tuple[Platform, ...] = get_args(Platform)

_BACKENDS: Mapping[Platform, tuple[str, ...]] = {
    "android": ("executorch", "tflite"),
    "ios": ("coreml", "executorch"),
}
_LAYOUT: Mapping[Platform, PurePosixPath] = {
    # Unpacked into src/main, assets of the app: AssetManager opens them by "pocketbert/…".
    "android": PurePosixPath("assets/pocketbert"),
    # A folder reference of Xcode: Bundle.main has it under "pocketbert".
    "ios": PurePosixPath("pocketbert"),
}
_FOR_ALL = (VOCABULARY, UNICODE_TABLES, VECTORS)
_PURPOSES = {
    VOCABULARY: "vocabulary",
    UNICODE_TABLES: "Unicode tables of the tokenizer",
    VECTORS: "self test",
    FILE_NAME: "manifest",
    signature.FILE_NAME: "signature",
    signature.KEY_FILE_NAME: "signature",
}
_OF_SIGNATURE = (signature.FILE_NAME, signature.KEY_FILE_NAME)


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a part of a platform's bundle takes, in bytes, and in the zip."""

    purpose: str
    size_bytes: int
    packed_bytes: int


@dataclass(frozen=True, kw_only=True)
class Packed:
    """The zip of one platform.

    Attributes:
        parts: What takes how much of it, the largest first.
        failed: The parity checks of the bundle that failed.
    """

    platform: Platform
    path: Path
    size_bytes: int
    parts: tuple[Share, ...]
    failed: tuple[VerdictPart, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns what ``--json`` prints."""
        return {
            "platform": self.platform,
            "path": str(self.path.resolve()),
            "size_bytes": self.size_bytes,
            "parts": [asdict(share) for share in self.parts],
        }


def files_by_platform(
    artifacts: Sequence[ArtifactPart], files: Mapping[str, str]
) -> dict[Platform, tuple[str, ...]]:
    """Returns the files that each platform needs; none for a platform that no artifact is for."""
    found: dict[Platform, tuple[str, ...]] = {}
    for platform in PLATFORMS:
        own = [part for part in artifacts if part.backend in _BACKENDS[platform]]
        if own:
            found[platform] = tuple(
                name
                for name in sorted(files)
                if name in _FOR_ALL or any(part.holds(name) for part in own)
            )
    return found


def pack(bundle: Path, platform: str, destination: Path) -> Packed:
    """Writes the zip of one platform, of a bundle that is as its manifest says.

    Args:
        bundle: A folder or a zip.
        platform: Which.
        destination: The zip; an earlier one is replaced.

    Raises:
        InputError: There is no such platform or bundle, no artifact is for the platform, or
            something else lies at the destination.
        GateError: The bundle is damaged.
    """
    chosen = next((each for each in PLATFORMS if each == platform), None)
    if chosen is None:
        raise InputError(f"no platform {platform!r}", hint=f"choose from {', '.join(PLATFORMS)}")
    for problem in verify(bundle).problems:
        raise GateError(
            f"{bundle} is damaged: {problem.path}: {problem.problem}", hint="build it again"
        )
    with open_bundle(bundle) as opened:
        parts = write(opened, chosen, destination)
        failed = tuple(each for each in opened.manifest.verdicts if each.verdict == "fail")
    return Packed(
        platform=chosen,
        path=destination,
        size_bytes=destination.stat().st_size,
        parts=parts,
        failed=failed,
    )


def write(opened: Bundle, platform: Platform, destination: Path) -> tuple[Share, ...]:
    """Writes the zip of one platform, and tells what takes how much of it.

    Args:
        opened: A bundle in which ``verify`` finds no problem.
        platform: Which.
        destination: The zip; an earlier one is replaced.

    Raises:
        InputError: No artifact is for the platform, or something else lies at the destination.
    """
    if platform not in opened.manifest.platforms:
        raise InputError(
            f"the bundle has no artifact for {platform}",
            hint=f"build it with --backend {' or --backend '.join(_BACKENDS[platform])}",
        )
    if opened.platform not in (None, platform):
        raise InputError(
            f"this is the bundle of {opened.platform} alone", hint="give the one that build wrote"
        )
    _check_destination(destination)
    names = [FILE_NAME, *opened.manifest.platforms[platform]]
    names += [name for name in _OF_SIGNATURE if (opened.folder / name).is_file()]
    root = _LAYOUT[platform]
    inside = {str(root / name): opened.folder / name for name in names}
    heavy = frozenset(str(root / name) for name in names if _artifact_of(opened, name))
    archive.pack(inside, destination, as_they_are=heavy)
    with zipfile.ZipFile(destination) as written:
        packed = {name: written.getinfo(str(root / name)).compress_size for name in names}
    return _shares(opened, names, packed)


def _shares(opened: Bundle, names: Sequence[str], packed: Mapping[str, int]) -> tuple[Share, ...]:
    totals: dict[str, tuple[int, int]] = {}
    for name in names:
        purpose = _artifact_of(opened, name) or _PURPOSES[name]
        size, inside = totals.get(purpose, (0, 0))
        totals[purpose] = (size + (opened.folder / name).stat().st_size, inside + packed[name])
    shares = [
        Share(purpose=purpose, size_bytes=size, packed_bytes=inside)
        for purpose, (size, inside) in totals.items()
    ]
    return tuple(sorted(shares, key=lambda share: -share.size_bytes))


def _artifact_of(opened: Bundle, name: str) -> str:
    """Returns what a file is to be called in the table, where it belongs to an artifact."""
    library = opened.manifest.task_library
    if library is not None and library.holds(name):
        return "tflite for the Task Library"
    parts = (part for part in opened.manifest.artifacts if part.holds(name))
    return next((f"{part.backend} {part.precision}" for part in parts), "")


def _check_destination(path: Path) -> None:
    """Refuses to overwrite what is no such zip."""
    if not path.exists() and not path.is_symlink():
        return
    if path.is_file() and _is_ours(path):
        return
    raise InputError(
        f"{path} exists and is not the zip of a bundle for one platform, so it is not overwritten",
        hint="choose another file with -o",
    )


def _is_ours(path: Path) -> bool:
    """Returns whether a zip holds a bundle for a platform, laid out as here, and no more."""
    try:
        with zipfile.ZipFile(path) as found:
            names = set(found.namelist())
            for platform, root in _LAYOUT.items():
                if str(root / FILE_NAME) in names:
                    content = json.loads(archive.read_small(found, str(root / FILE_NAME)))
                    stated = content["platforms"][platform]
                    own = (FILE_NAME, *_OF_SIGNATURE, *stated)
                    return "pocketbert_version" in content and names <= {
                        str(root / name) for name in own
                    }
    except (*archive.DAMAGED, LookupError, TypeError, RecursionError):
        return False
    return False
