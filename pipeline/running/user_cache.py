"""The folders of this user's cache, in which nobody else may have written."""

import functools
import os
import stat
import sys
from pathlib import Path

import platformdirs

from pipeline.running.terminal import one_line


def user_cache(name: str) -> Path | None:
    """Returns a folder of the cache; ``None``, told once on stderr, where it is not this user's.

    What lies in it is believed, and some of it is run. It may be that it does not exist yet.
    """
    try:
        folder = platformdirs.user_cache_path("pocketbert") / name
    except RuntimeError:  # some releases give a path that is relative
        folder = Path("~", name)
    reason = _why_not(folder)
    if reason:
        _tell(f"the cache {folder} is not used: {reason}")
        return None
    return folder


def make(folder: Path) -> None:
    """Makes such a folder for this user alone, where it is missing.

    Raises:
        OSError: It cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def _why_not(folder: Path) -> str:
    if not folder.is_absolute():
        return "this user has no home folder (set HOME or XDG_CACHE_HOME)"
    try:
        state = folder.stat()
    except FileNotFoundError:
        return ""
    except OSError as err:
        return err.strerror or str(err)
    if state.st_uid != os.geteuid():
        return "it belongs to another user"
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others may write in it (remove it, or chmod go-w)"
    return ""


@functools.cache
def _tell(line: str) -> None:
    print(f"pocketbert: {one_line(line)}", file=sys.stderr)  # noqa: T201
