"""A folder for the temporary files of one command, which goes with it or with the next one.

A process that is killed cannot clear anything away, and neither can the libraries that it was in.
So all that it writes goes into one folder, which it holds locked; the system drops the lock of a
process that dies, however it dies, and whoever finds such a folder of this user without a lock
removes it.
"""

import atexit
import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

_PREFIX = ".pocketbert-tmp-"
_NAME = re.compile(re.escape(_PREFIX) + r"[a-z0-9_]{8}")


def use_own_temporary_folder() -> None:
    """Lets this process, and those that it starts, write temporary files in a folder of their own.

    It goes when the process ends, after what libraries clear away themselves then. Where there is
    no place for one, all stays as it is: many commands need none.

    It is the home of a user who has none, for libraries would make a folder named ``~`` where the
    process works.
    """
    try:
        root = Path(tempfile.gettempdir())
        _clear_away_killed(root)
        folder = _locked_folder(root)
    except OSError:
        return
    atexit.register(_remove, folder, os.getpid())  # the last to be called is the first registered
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    if not Path(os.path.expanduser("~")).is_absolute():  # noqa: PTH111  Path's raises an error
        os.environ["HOME"] = str(folder)


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _locked_folder(root: Path) -> Path:
    """Returns a new folder, whose lock this process keeps until it ends."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        descriptor = os.open(folder, os.O_RDONLY)
        with contextlib.suppress(OSError):  # this file system knows no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Another process may have come between, and taken it for a folder that nobody holds.
        if _is_at(descriptor, folder):
            return folder
        os.close(descriptor)


def _is_at(descriptor: int, folder: Path) -> bool:
    """Returns whether a folder that was opened is still the one of its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.lstat())
    except FileNotFoundError:
        return False


def _clear_away_killed(root: Path) -> None:
    """Removes the folders of this user's processes that are gone."""
    for folder in root.iterdir():
        if _NAME.fullmatch(folder.name):
            with contextlib.suppress(OSError):  # another process removes it, or it is not ours
                _clear_away(folder)


def _clear_away(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        state = os.fstat(descriptor)
        if state.st_uid != os.geteuid() or stat.S_IMODE(state.st_mode) != 0o700:
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, folder):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
