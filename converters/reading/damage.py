"""The one place where what parsers and runtimes do on damaged files becomes an error of ours."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar, cast

from converters.values.errors import InputError, PocketBertError, first_line

Result = TypeVar("Result")

HINT = "build it again, or copy it again whole"

_MAX_SECONDS = 60
"""Of native code that opens a file. It takes a fraction of one."""
_HANGS, _CRASHES = "its runtime hangs", "its runtime crashes"


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


@contextlib.contextmanager
def loaded_by(runtime: str, path: Path) -> Iterator[None]:
    """Refuses a file that a runtime fails to load in the block.

    Raises:
        InputError: It names the runtime and the file.
    """
    try:
        yield
    except PocketBertError:
        raise
    except (ValueError, RuntimeError) as err:
        raise InputError(
            f"{runtime} cannot load {path}: {first_line(err)}", hint="build the bundle again"
        ) from err


def in_fork(function: Callable[[Path], Result], path: Path) -> Result:
    """Calls native code in a fork of this process, for damaged bytes may crash it, or hang it.

    Args:
        function: Opens the file; what it returns must be picklable.
        path: Of the file.

    Raises:
        ValueError: It failed, crashed or hung.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)
    # Not multiprocessing's own, which a worker of ours may not start.
    child = os.fork()
    if child == 0:
        try:
            receiver.close()
            _tell(sender, function, path)
        finally:
            os._exit(0)
    sender.close()
    try:
        result, said = receiver.recv() if receiver.poll(_MAX_SECONDS) else (None, _HANGS)
    except EOFError:
        result, said = None, _CRASHES
    finally:
        os.kill(child, signal.SIGKILL)  # one that has ended waits to be asked how
        _, status = os.waitpid(child, 0)
        receiver.close()
    if said == _CRASHES:
        said += f" with exit code {os.waitstatus_to_exitcode(status)}"
    if said:
        raise ValueError(said)
    return cast(Result, result)


def _tell(sender: Connection, function: Callable[[Path], Any], path: Path) -> None:
    """The body of a fork: sends what the function returned, and in words what it raised."""
    try:
        result, said = function(path), ""
    except Exception as err:
        result, said = None, first_line(err) or type(err).__name__
    sender.send((result, said))
