"""Zips: written whole, the same bytes each time, and unpacked without trusting them."""

import contextlib
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from converters.values.errors import InputError, first_line, storage_error
from pipeline.bundle import atomic_folder
from pipeline.bundle.manifest import MAX_MANIFEST_BYTES
from pipeline.files.permissions import open_up

MAX_UNPACKED_BYTES = 4 * 10**9
"""No bundle of a student that a phone can hold comes near it; a zip bomb does."""
MAX_MEMBERS = 1_000
"""A bundle holds some twenty files."""

DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, IndexError, OSError, RuntimeError, ValueError,
)  # fmt: skip
"""What reading a damaged zip raises: errors of its decompressor, of the numbers and names in it (an
empty one: IndexError), or, where it is encrypted, RuntimeError."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The least time that a zip can state."""
_HINT = "do not use it: no bundle that `pocketbert` wrote looks like this"


def pack(files: Mapping[str, Path], archive: Path, *, as_they_are: frozenset[str]) -> None:
    """Writes a zip, which appears when it is whole; times and order do not depend on the build.

    Args:
        files: What to pack, by the name inside.
        archive: Where to; what lies there is replaced.
        as_they_are: Names of files that are not worth compressing.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with _partial(archive) as partial:
        with partial.open("wb") as file, zipfile.ZipFile(file, "w") as opened:
            for name, path in sorted(files.items()):
                member = zipfile.ZipInfo(name, date_time=_EPOCH)
                member.create_system = 3  # of which the mode that follows is
                member.external_attr = (stat.S_IFREG | 0o644) << 16
                kind = zipfile.ZIP_STORED if name in as_they_are else zipfile.ZIP_DEFLATED
                opened.writestr(member, path.read_bytes(), compress_type=kind)
        open_up(partial)
        partial.replace(archive)


@contextlib.contextmanager
def _partial(archive: Path) -> Iterator[Path]:
    """Gives a file beside a zip to write in; those that killed processes left go now."""
    prefix = atomic_folder.partial_prefix(archive.name)
    with contextlib.ExitStack() as stack:
        with atomic_folder.lock(archive.parent, waits=True):
            for left in atomic_folder.named(archive.parent, prefix):
                with atomic_folder.lock(left) as is_ours:
                    if is_ours and left.is_file():
                        left.unlink(missing_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=prefix, dir=archive.parent)
            os.close(descriptor)
            stack.enter_context(atomic_folder.lock(Path(name)))
        stack.callback(Path(name).unlink, missing_ok=True)
        yield Path(name)


def unpack(archive: Path, folder: Path, *, landmark: str) -> Path:
    """Unpacks a zip without leaving the folder, following links or filling the disk.

    Args:
        archive: The zip.
        folder: An empty one.
        landmark: The file that marks the folder inside which all else must lie.

    Returns:
        That folder, unpacked.

    Raises:
        InputError: It is no zip, or damaged, or unsafe, or holds something beside that folder.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _check_members(archive, members)
            root = _root([member.filename for member in members], archive, landmark)
            opened.extractall(folder)
    except InputError:
        raise
    except DAMAGED as err:
        if storage_error(err) is not None:
            raise
        raise InputError(
            f"{archive} is neither a bundle's folder nor a readable zip: {first_line(err)}",
            hint="give what `pocketbert` wrote",
        ) from err
    return folder / root


def read_small(opened: zipfile.ZipFile, name: str) -> bytes:
    """Returns a file of a zip that is to take no more than a manifest.

    Raises:
        ValueError: It takes more; and what ``DAMAGED`` names.
    """
    if opened.getinfo(name).file_size > MAX_MANIFEST_BYTES:
        raise ValueError(f"{name} is too large")
    return opened.read(name)


def _check_members(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{archive} holds more than {MAX_MEMBERS:,} files", hint=_HINT)
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise InputError(
            f"{archive} would unpack to more than {MAX_UNPACKED_BYTES:,} bytes", hint=_HINT
        )
    seen: set[PureWindowsPath] = set()
    for member in members:
        # Windows' rules know the separators, roots and drives of all systems.
        name = PureWindowsPath(member.filename)
        if name.anchor or ".." in name.parts:
            raise InputError(f"{archive} holds {member.filename!r}, outside of itself", hint=_HINT)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{archive} holds a link, {member.filename!r}", hint=_HINT)
        # Phones unpack no others, and LZMA's readers allocate what the file asks for, up to 4 GB.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(
                f"{archive} holds {member.filename!r}, packed by method {member.compress_type}, "
                "where a bundle is deflated or stored",
                hint="pack it again with another program",
            )
        # Of two files of one name some readers take the first, and others the last.
        if name in seen:
            raise InputError(f"{archive} holds {member.filename!r} twice", hint=_HINT)
        seen.add(name)


def _root(names: list[str], archive: Path, landmark: str) -> PurePosixPath:
    """Returns the folder that holds the landmark, and all else."""
    paths = [PurePosixPath(name) for name in names]
    roots = [path.parent for path in paths if path.name == landmark]
    root = min(roots, key=lambda path: len(path.parts), default=PurePosixPath())
    for path in paths:
        if path not in (root, *root.parents) and root not in path.parents:
            raise InputError(f"{archive} holds {str(path)!r} beside its bundle", hint=_HINT)
    return root
