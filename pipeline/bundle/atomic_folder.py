"""Writes a bundle's folder whole or not at all, whatever interrupts the work."""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from converters.values.errors import InputError, storage_error
from pipeline.bundle.manifest import FILE_NAME
from pipeline.bundle.signature import FILE_NAME as SIGNATURE
from pipeline.bundle.signature import KEY_FILE_NAME
from pipeline.files.permissions import open_up

_HINT = "choose another folder with -o"
_EXCHANGE = 2
"""``RENAME_EXCHANGE`` of Linux, ``RENAME_SWAP`` of macOS."""
_WORKING_FOLDER = -100
"""``AT_FDCWD`` of Linux: paths are as the process sees them."""
_LONGEST_INSIDE = 128
"""Bytes of a path inside a bundle while it is written: a Core ML package's weights take 90."""
_LONGEST_PATH = 4096
"""``PATH_MAX`` of Linux, in bytes."""
_NUM_NAMED = 3
"""Files that an error names."""
_OF_THE_SYSTEM = "lost+found"
"""A folder that file systems keep at their root."""


@contextlib.contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Gives a folder to fill, and moves it to the destination when all went well.

    An earlier bundle at the destination is replaced only then, in one step; whatever interrupts the
    work leaves it as it was. Anything else at the destination is never touched. What a killed build
    left behind goes when the next one begins.

    A folder that cannot be replaced, or that a process works in, is filled file by file: a mount
    point, the working folder, one in a folder that is closed to this user. A kill just then leaves
    a bundle that ``verify`` finds damaged, and that the next build replaces.

    Raises:
        InputError: The destination holds something that is not a bundle or not of the bundle, or
            another build is writing there.
        OSError: It cannot be written.
    """
    check_destination(destination)
    destination = destination.resolve()
    destination.parent.mkdir(parents=True, exist_ok=True)
    place = _place(destination)
    with contextlib.ExitStack() as stack:
        # Only one build at a time looks who else is at work, and says that it is.
        with lock(destination.parent, waits=True), lock(destination, waits=True):
            _clear_away_killed(destination)
            folder = Path(tempfile.mkdtemp(prefix=_partial_prefix(destination), dir=place))
            stack.enter_context(lock(folder))
        try:
            yield folder
            open_up(folder)
            check_destination(destination)  # the work took its time
            if place == destination:
                _fill(folder, destination)
            else:
                _replace(folder, destination)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def check_destination(destination: Path) -> None:
    """Refuses to write where something other than a bundle lies, or where more than one lies.

    Raises:
        InputError: Something there would be lost, or there can be no such folder.
        OSError: The folder cannot be read.
    """
    try:
        if destination.exists() or destination.is_symlink():
            _check_content(destination)
            place = _place(destination.resolve())
        else:
            place = next(above for above in destination.absolute().parents if above.exists())
    except OSError as err:
        if storage_error(err) is not None:
            raise
        raise InputError(f"no folder can be {destination}: {err.strerror}", hint=_HINT) from err
    if not place.is_dir():
        raise InputError(f"{place} is not a folder, so nothing can be written in it", hint=_HINT)
    if not _is_open_to_us(place):
        number = errno.EROFS if os.statvfs(place).f_flag & os.ST_RDONLY else errno.EACCES
        raise OSError(number, os.strerror(number), str(place))
    if len(os.fsencode(destination.absolute())) + _LONGEST_INSIDE > _LONGEST_PATH:
        reason = os.strerror(errno.ENAMETOOLONG)
        raise InputError(f"no folder can be {destination}: {reason}", hint=_HINT)


def partial_prefix(name: str) -> str:
    """Returns how the names of unfinished files or folders begin; ``name`` may be the longest."""
    return f".pocketbert-{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}.partial-"


def _partial_prefix(destination: Path) -> str:
    return partial_prefix(destination.name)


def _check_content(destination: Path) -> None:
    if not destination.is_dir():
        raise _not_a_bundle(destination)
    present = _list_all(destination)
    if not present:
        return
    stated = _stated_files(destination)
    if stated is None:
        raise _not_a_bundle(destination)
    folders = {str(above) for name in stated for above in PurePosixPath(name).parents}
    foreign = sorted(present - stated - folders)
    if foreign:
        named = ", ".join(foreign[:_NUM_NAMED])
        more = f" and {len(foreign) - _NUM_NAMED} more" if len(foreign) > _NUM_NAMED else ""
        raise InputError(
            f"{destination} holds what is not of its bundle, and would be lost: {named}{more}",
            hint=f"move it elsewhere, or {_HINT}",
        )


def _not_a_bundle(destination: Path) -> InputError:
    return InputError(
        f"{destination} exists and is not a bundle, so it is not overwritten", hint=_HINT
    )


def _list_all(folder: Path) -> set[str]:
    """Returns all that a folder holds, by relative path: files, links, and folders of nothing."""

    def fail(err: OSError) -> None:
        raise err  # what cannot be looked into may hold anything

    found = set()
    for place, folders, files in os.walk(folder, onerror=fail):
        inside = Path(place).relative_to(folder)
        if not inside.parts:
            folders[:] = [name for name in folders if not _is_nobodys(name, folder)]
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        found |= {(inside / name).as_posix() for name in (*files, *links)}
        if not files and not folders and inside.parts:
            found.add(inside.as_posix())
    return found


def _is_nobodys(name: str, folder: Path) -> bool:
    """Returns whether a folder at the top is an unfinished bundle, or the file system's own."""
    return name == _OF_THE_SYSTEM or name.startswith(_partial_prefix(folder.resolve()))


def _stated_files(folder: Path) -> set[str] | None:
    """Returns what the manifest of a bundle lists, itself too; None where it is no bundle's.

    The bundle may be damaged, or of another version.
    """
    try:
        content = json.loads((folder / FILE_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or "pocketbert_version" not in content:
        return None
    files = content.get("files")
    return {FILE_NAME, SIGNATURE, KEY_FILE_NAME, *(files if isinstance(files, dict) else ())}


def _clear_away_killed(destination: Path) -> None:
    """Removes what killed builds of a bundle left, and finds out whether another is at work."""
    prefix = _partial_prefix(destination)
    for place in filter(Path.is_dir, (destination.parent, destination)):
        for partial in named(place, prefix):
            with lock(partial) as is_ours:
                if not is_ours:
                    raise InputError(
                        f"another build is writing {destination}", hint=f"wait for it, or {_HINT}"
                    )
                shutil.rmtree(partial, ignore_errors=True)


def named(folder: Path, prefix: str) -> list[Path]:
    """Returns what begins with a prefix; None where a folder may be used, but not listed."""
    try:
        return [path for path in folder.iterdir() if path.name.startswith(prefix)]
    except PermissionError:
        return []


@contextlib.contextmanager
def lock(folder: Path, *, waits: bool = False) -> Iterator[bool]:
    """Locks a folder or file while the block runs, and says whether that could be done.

    The system drops the lock of a process that dies, however it dies.
    """
    with contextlib.ExitStack() as stack:
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except OSError:  # somebody holds it or owns it, or this file system knows no locks
            yield False
        else:
            yield True


def _place(destination: Path) -> Path:
    """Returns the folder to write in: beside a destination that can be replaced, else itself."""
    if not destination.is_dir():
        return destination.parent
    can_be_replaced = (
        _is_open_to_us(destination.parent)
        and not destination.is_mount()
        and os.fsencode(destination) not in _mount_points()
        and not _is_worked_in(destination)
    )
    return destination.parent if can_be_replaced else destination


def _is_open_to_us(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _is_worked_in(folder: Path) -> bool:
    """Returns whether this process, and so whoever started it, has its place in a folder."""
    try:
        working = Path.cwd()
    except FileNotFoundError:  # it was removed
        return False
    return folder in (working, *working.parents)


def _mount_points() -> set[bytes]:
    """Returns what is mounted where on Linux; elsewhere nothing is, but other file systems."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return set()
    # Spaces and the like are written in octal digits.
    return {
        re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), line.split()[4])
        for line in lines
    }


def _fill(folder: Path, destination: Path) -> None:
    """Moves a finished bundle into a folder that stays; its manifest lists what is there anytime.

    So a bundle that is half of each is known as one, and replaced by the next build.
    """
    files = _list_all(folder)
    for name in sorted(_list_all(destination) - files, reverse=True):
        path = destination / name
        path.unlink() if path.is_symlink() or not path.is_dir() else path.rmdir()
        _remove_empty(path.parent, destination)
    for name in (FILE_NAME, *sorted(files - {FILE_NAME})):
        (destination / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).replace(destination / name)


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _replace(folder: Path, destination: Path) -> None:
    """Moves a finished folder into place; an earlier one takes its place, and goes with it."""
    if not destination.exists():
        folder.rename(destination)
    elif not _exchange(folder, destination):
        _replace_in_two_steps(folder, destination)


def _exchange(first: Path, second: Path) -> bool:
    """Swaps two folders in one step, and says whether system and file system can."""
    libc = ctypes.CDLL(None)
    paths = os.fsencode(first), os.fsencode(second)
    if hasattr(libc, "renameat2"):
        code = libc.renameat2(_WORKING_FOLDER, paths[0], _WORKING_FOLDER, paths[1], _EXCHANGE)
        return bool(code == 0)
    if hasattr(libc, "renamex_np"):
        return bool(libc.renamex_np(*paths, _EXCHANGE) == 0)
    return False


def _replace_in_two_steps(folder: Path, destination: Path) -> None:
    """Lets the earlier folder step aside first: a kill just then would leave it there."""
    aside = Path(tempfile.mkdtemp(prefix=f".{destination.name}.old-", dir=destination.parent))
    earlier = aside / destination.name
    try:
        destination.rename(earlier)
        folder.rename(destination)
    finally:
        if not destination.exists():
            earlier.rename(destination)
        shutil.rmtree(aside, ignore_errors=True)
