"""Remembers which bundle was built last on this machine, by this user."""

import json
from pathlib import Path

from converters.values.errors import InputError
from pipeline.bundle.manifest import FILE_NAME as MANIFEST
from pipeline.running import user_cache

_FOLDER = "bundles"
_NOTE = "last.json"


def remember(folder: Path) -> None:
    """Notes where a bundle is; a cache that cannot be written is no reason to stop."""
    kept = user_cache.user_cache(_FOLDER)
    if kept is None:
        return
    try:
        user_cache.make(kept)
        (kept / _NOTE).write_text(json.dumps({"bundle": str(folder.resolve())}), encoding="utf-8")
    except OSError:
        return


def find() -> Path:
    """Returns the bundle that was built last.

    Raises:
        InputError: None was, or it is not there any more.
    """
    hint = "make one with `pocketbert build -o bundle`, then `pocketbert demo bundle`"
    kept = user_cache.user_cache(_FOLDER)
    try:
        note = {} if kept is None else json.loads((kept / _NOTE).read_text(encoding="utf-8"))
        folder = Path(note["bundle"])
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise InputError("no bundle was named, and none was built here yet", hint=hint) from err
    if not (folder / MANIFEST).is_file():
        raise InputError(f"the bundle that was built last, {folder}, is gone", hint=hint)
    return folder
