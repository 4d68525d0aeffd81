"""Writes a bundle's folder whole or not at all, whatever interrupts the work."""

import contextlib
import ctypes
import fcntl
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import InputError, storage_error
from pipeline.manifest import FILE_NAME
from pipeline.permissions import open_up

_HINT = "choose another folder with -o"
_EXCHANGE = 2
"""``RENAME_EXCHANGE`` of Linux, ``RENAME_SWAP`` of macOS."""
_WORKING_FOLDER = -100
"""``AT_FDCWD`` of Linux: paths are as the process sees them."""


@contextlib.contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Gives a folder to fill, and moves it to the destination when all went well.

    An earlier bundle at the destination is replaced only then, in one step; whatever interrupts the
    work leaves it as it was. Anything else at the destination is never touched. What a killed build
    left behind goes when the next one begins.

    Raises:
        InputError: The destination holds something that is not a bundle, or another build is
            writing there.
        OSError: It cannot be written.
    """
    check_destination(destination)
    destination = destination.resolve()
    destination.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        # Only one build at a time looks who else is at work, and says that it is.
        with _lock(destination.parent, waits=True):
            _clear_away_killed(destination)
            folder = Path(
                tempfile.mkdtemp(prefix=_partial_prefix(destination), dir=destination.parent)
            )
            stack.enter_context(_lock(folder))
        try:
            yield folder
            open_up(folder)
            _replace(folder, destination)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def check_destination(destination: Path) -> None:
    """Refuses to write where something other than a bundle lies."""
    try:
        if destination.exists() or destination.is_symlink():
            if not destination.is_dir() or (
                any(destination.iterdir()) and not _is_ours(destination)
            ):
                raise InputError(
                    f"{destination} exists and is not a bundle, so it is not overwritten",
                    hint=_HINT,
                )
            return
        parent = next(place for place in destination.absolute().parents if place.exists())
    except OSError as err:
        if storage_error(err) is not None:
            raise
        raise InputError(f"no folder can be {destination}: {err.strerror}", hint=_HINT) from err
    if not parent.is_dir():
        raise InputError(f"{parent} is not a folder, so nothing can be written in it", hint=_HINT)


def _is_ours(folder: Path) -> bool:
    """Tells a bundle, damaged or of another version perhaps, from others with such a file."""
    try:
        content = json.loads((folder / FILE_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "pocketbert_version" in content


def _partial_prefix(destination: Path) -> str:
    return f".{destination.name}.partial-"


def _clear_away_killed(destination: Path) -> None:
    """Removes what killed builds of a bundle left, and finds out whether another is at work."""
    pattern = f"{glob.escape(_partial_prefix(destination))}*"
    for partial in destination.parent.glob(pattern):
        with _lock(partial) as is_ours:
            if not is_ours:
                raise InputError(
                    f"another build is writing {destination}", hint=f"wait for it, or {_HINT}"
                )
            shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def _lock(folder: Path, *, waits: bool = False) -> Iterator[bool]:
    """Locks a folder while the block runs, and says whether that could be done.

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
