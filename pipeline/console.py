"""What every command shares: where results go, how errors are told, and exit codes."""

import contextlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console, RenderableType
from typer.exceptions import TyperException

from pipeline.errors import InputError, PocketBertError, first_line, storage_error

INTERRUPTED = 130
WIDTH_ELSEWHERE = 120
"""Columns of a table that is written to a file or a pipe."""


def run(command: Callable[[], int | None], arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit code; whatever goes wrong is told in one line."""
    # Torch warns there of what torchao does at import; nobody can act on it.
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    with _results_apart():
        try:
            code = command() or 0
            if code != INTERRUPTED:
                return code
            raise KeyboardInterrupt  # of which Typer has made an exit code
        except KeyboardInterrupt:
            error = PocketBertError("interrupted", hint="what was there before is as it was")
            code = INTERRUPTED
        except TyperException as err:
            error = InputError(err.format_message(), hint="see `pocketbert --help`")
            code = error.exit_code
        except PocketBertError as err:
            error, code = err, err.exit_code
        except BrokenPipeError:
            return 0
        except Exception as err:
            error = storage_error(err) or _bug(err)
            code = error.exit_code
        _tell(error, code, as_json="--json" in arguments)
        return code


def show(payload: dict[str, Any], as_json: bool, *parts: RenderableType) -> None:
    """Prints one JSON object, or tables for a person."""
    if as_json:
        print(json.dumps(payload, ensure_ascii=False, allow_nan=False))  # noqa: T201
        return
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_ELSEWHERE
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


@contextlib.contextmanager
def _results_apart() -> Iterator[None]:
    """Keeps stdout for results: what native libraries print there goes to stderr instead."""
    sys.stdout.flush()
    kept = os.dup(1)
    before = sys.stdout
    os.dup2(2, 1)
    try:
        with os.fdopen(kept, "w", encoding="utf-8") as results:
            sys.stdout = results
            yield
            results.flush()
            os.dup2(results.fileno(), 1)
    finally:
        sys.stdout = before


def _tell(error: PocketBertError, code: int, *, as_json: bool) -> None:
    if as_json:
        about = {"code": code, "message": error.message, "hint": error.hint}
        print(json.dumps({"error": about}))  # noqa: T201  this is the result
        return
    hint = f" ({error.hint})" if error.hint else ""
    print(f"pocketbert: {error.message}{hint}", file=sys.stderr)  # noqa: T201


def _bug(err: Exception) -> PocketBertError:
    if os.environ.get("POCKETBERT_DEBUG"):
        traceback.print_exc()
    return PocketBertError(
        f"a bug of ours: {type(err).__name__}: {first_line(err)}",
        hint="set POCKETBERT_DEBUG=1 to see where, and please report it",
    )
