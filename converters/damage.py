"""The one place where what parsers raise on damaged files becomes an error that names the file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import InputError, PocketBertError, first_line

HINT = "build it again, or copy it again whole"


@contextlib.contextmanager
def refused(path: Path, kind: str) -> Iterator[None]:
    """Refuses a file that the block fails to read.

    Parsers of others check with asserts, or not at all, and then fail with whatever their next
    step raises: there are as many kinds of errors as there are damaged bytes. Only those of the
    system pass, for they are not the file's fault.

    Args:
        path: Of the file, as the error is to name it.
        kind: What it was to be, with its article.

    Raises:
        InputError: It is absent or damaged.
    """
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as err:
        raise InputError(f"{path} is not a file", hint=HINT) from err
    except (PocketBertError, OSError, MemoryError):
        raise
    except Exception as err:
        raise InputError(f"{path} cannot be read as {kind}: {first_line(err)}", hint=HINT) from err
