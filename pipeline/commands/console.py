"""What commands share: common options, where results go, how errors are told, exit codes."""

import contextlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import typer
from rich.console import RenderableType
from typer.exceptions import TyperException

from converters.values.errors import (
    InputError,
    PocketBertError,
    first_line,
    path_error,
    storage_error,
)
from pipeline.running.interruption import INTERRUPTED
from pipeline.running.terminal import Terminal, lines, one_line, warnings_in_plain_text

BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder or zip.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
DATA_HELP = (
    "Labelled examples of the task; for question answering JSON in SQuAD's layout, or an example "
    "a line."
)
Data = Annotated[Path | None, typer.Option(help=DATA_HELP)]
Limit = Annotated[int | None, typer.Option(min=1, help="Use only the first examples.")]
Runtimes = Annotated[list[str] | None, typer.Option("--runtime", help="Only these; repeatable.")]
Reference = Annotated[
    str | None, typer.Option("--reference", metavar="MODEL", help="Where the student is.")
]

MAX_THREADS = 4
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of processor time in a period, and the period: "200000 100000" is two cores."""
WIDTH_ELSEWHERE = 120
"""Columns of a table that is written to a file or a pipe."""


def run(command: Callable[[], int | None], arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit code; whatever goes wrong is told in one line."""
    # Torch warns there of what torchao does at import; nobody can act on it.
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    as_json, code = "--json" in arguments, 0
    try:
        with _results_apart(), warnings_in_plain_text():
            code = _attempt(command, as_json=as_json)
    except BrokenPipeError:  # whoever reads the results has read enough
        return code
    except OSError as err:
        error = storage_error(err) or _bug(err)
        if as_json or code != error.exit_code:  # it was told nowhere that can be read
            _tell(error, error.exit_code, as_json=False)
        return error.exit_code
    return code


def _attempt(command: Callable[[], int | None], *, as_json: bool) -> int:
    try:
        code = command() or 0
        if code != INTERRUPTED:
            return code
        raise KeyboardInterrupt  # of which Typer has made an exit code
    except KeyboardInterrupt:
        error = PocketBertError("interrupted", hint="what was there before is as it was")
        code = INTERRUPTED
    except SystemExit as err:
        # So Rich ends where nobody reads its help any more, which is no failure.
        if isinstance(err.__context__, BrokenPipeError):
            return 0
        raise
    except TyperException as err:
        error = InputError(err.format_message(), hint="see `pocketbert --help`")
        code = error.exit_code
    except PocketBertError as err:
        error, code = err, err.exit_code
    except Exception as err:
        error = storage_error(err) or path_error(err) or _bug(err)
        code = error.exit_code
    _tell(error, code, as_json=as_json)
    return code


def show(payload: dict[str, Any], as_json: bool, *parts: RenderableType) -> None:
    """Prints one JSON object, or tables for a person; that nobody reads them is no error."""
    with contextlib.suppress(BrokenPipeError):
        if as_json:
            from pipeline.files.canonical import json_value

            show_json(json_value(payload))
            return
        console = Terminal(file=sys.stdout, highlight=False)
        if not console.is_terminal:
            console.width = WIDTH_ELSEWHERE
        for part in parts:
            console.print(part, soft_wrap=isinstance(part, str))


def show_json(value: Any) -> None:
    """Prints a JSON value on a line, letters as they are and escaped what a terminal would obey."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    print(one_line(text), flush=True)  # noqa: T201  this is the result


def read_lines(
    stream: BinaryIO, *, errors: Literal["strict", "surrogateescape"] = "strict"
) -> Iterator[str]:
    """Yields the texts of a stream, without the newlines that end them.

    Args:
        stream: A text a line.
        errors: Whether a line that is not UTF-8 ends the stream, or holds its bytes as halves of
            surrogate pairs, which every task refuses by themselves.

    Raises:
        InputError: A line is not UTF-8.
    """
    lines: Iterable[bytes] = stream
    for number, line in enumerate(lines, start=1):
        try:
            yield line.removesuffix(b"\n").decode("utf-8", errors)
        except UnicodeDecodeError as err:
            raise InputError(
                f"line {number} is not UTF-8: {err.reason} at byte {err.start}",
                hint="give UTF-8 texts, a line each",
            ) from err


def parse_numbers(text: str, *, option: str, example: str) -> tuple[int, ...]:
    """Returns the whole numbers of an option that takes several, with commas between them.

    Raises:
        InputError: It holds something else.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as err:
        raise InputError(
            f"{option} {text} is not a list of numbers", hint=f"for example: {option} {example}"
        ) from err


@contextlib.contextmanager
def _results_apart() -> Iterator[None]:
    """Keeps stdout for results: what native libraries print there goes to stderr instead."""
    open_closed_streams()
    sys.stdout.flush()
    kept = os.dup(1)
    before = sys.stdout
    os.dup2(2, 1)
    # A path may hold bytes that are no UTF-8: escaped, they are what JSON calls them, too.
    with os.fdopen(kept, "w", encoding="utf-8", errors="backslashreplace") as results:
        sys.stdout = results
        try:
            yield
        finally:
            sys.stdout = before
            os.dup2(kept, 1)


def open_closed_streams() -> None:
    """Opens streams that were closed before the start, to hold nothing and lead nowhere.

    Else the next file that is opened would take the place of one, and get what is printed.
    """
    for number, name, way in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, way, encoding="utf-8", closefd=False))


def _tell(error: PocketBertError, code: int, *, as_json: bool) -> None:
    if as_json:
        show_json({"error": error_json(error, code)})
        return
    hint = f" ({error.hint})" if error.hint else ""
    line = " ".join(f"{error.message}{hint}".splitlines())
    print(f"pocketbert: {one_line(line)}", file=sys.stderr)  # noqa: T201


def error_json(error: PocketBertError, code: int) -> dict[str, Any]:
    """Returns what ``--json`` says of a failure, and the exit code that goes with it."""
    return {"code": code, "message": error.message, "hint": error.hint}


def _bug(err: Exception) -> PocketBertError:
    if os.environ.get("POCKETBERT_DEBUG"):
        print(lines(traceback.format_exc()), file=sys.stderr)  # noqa: T201
    return PocketBertError(
        f"a bug of ours: {type(err).__name__}: {first_line(err)}",
        hint="set POCKETBERT_DEBUG=1 to see where, and please report it",
    )


def num_threads() -> int:
    """Returns the threads that every runtime gets: as many as a phone has big cores, at most.

    Fewer where this process may use fewer: by its affinity, or by the quota of its container.
    """
    return max(1, min(_num_cores(), quota_cores(), MAX_THREADS))


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # macOS has none
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota_cores(path: Path = CPU_QUOTA) -> int:
    """Returns how many cores' time the control group's quota is worth, rounded up."""
    try:
        quota, period = path.read_text(encoding="ascii").split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):  # none of version 2, or "max": no quota
        return MAX_THREADS
