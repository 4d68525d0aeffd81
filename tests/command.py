"""Runs the command line in a process of its own, from this source tree."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-c", "from pipeline.commands.app import main; main()")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a command left behind when it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one JSON value that stdout holds."""
        return json.loads(self.stdout)

    @property
    def error(self) -> dict[str, Any]:
        """What ``--json`` says of a failure."""
        error = self.json["error"]
        assert set(error) == {"code", "message", "hint"}
        assert error["code"] == self.code
        return dict(error)


def pocketbert(
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    timeout: float = 600,
    umask: int = -1,
) -> Finished:
    """Runs ``pocketbert`` to its end; a traceback fails the test at once.

    Args:
        arguments: What follows ``pocketbert`` on the command line.
        env: Added to the environment.
        cwd: The folder that it runs in.
        timeout: Seconds.
        umask: That it runs with; -1 leaves it.
    """
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
        umask=umask,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Finished(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def wait_until(condition: Callable[[], bool], *, seconds: float = 30) -> bool:
    """Returns whether a condition came to hold in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def is_running(pid: int) -> bool:
    """Returns whether a process has not ended, as ``/proc`` has it."""
    try:
        # A process that has ended stays as a zombie until whoever inherited it asks.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
