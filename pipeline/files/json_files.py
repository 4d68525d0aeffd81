"""Reads a model's settings files, which anyone may have written."""

import json
from pathlib import Path
from typing import Any

from converters.values.errors import InputError

MAX_SETTINGS_BYTES = 4_000_000
"""Of a file of settings. Those of published models have some thousand bytes, and fewer than a
million where thousands of labels or added tokens have names."""


def read_json_object(path: Path, *, max_bytes: int = MAX_SETTINGS_BYTES) -> dict[str, Any]:
    """Reads one of a model's settings files.

    Args:
        path: Of the file.
        max_bytes: That it may have.

    Raises:
        InputError: It holds something other than a JSON object, or is too large.
    """
    check_size(path, max_bytes=max_bytes)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    # Python's reader gives up on very deep nesting with an error of its own.
    except (ValueError, RecursionError) as err:
        raise InputError(
            f"{path} is not valid JSON: {err}", hint="download or save it again"
        ) from err
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object", hint="download or save it again")
    return value


def check_size(path: Path, *, max_bytes: int) -> None:
    """Refuses a file that is too large to be what its name says.

    Raises:
        InputError: It is.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise InputError(
            f"{path} has {size:,} bytes, where at most {max_bytes:,} are read",
            hint="give the file that belongs to the model",
        )
