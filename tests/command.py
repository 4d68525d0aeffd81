"""Runs the command line in a process of its own, from this source tree."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files import permissions
from tests import warm

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-c", "from pipeline.commands.app import main; main()")
_NOWHERE = os.open(os.devnull, os.O_RDONLY)
WARM = "from tests.warm import install; install()\n"
"""Begins code whose processes may be forks."""


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
    finished = python(COMMAND[-1], *arguments, env=env, cwd=cwd, timeout=timeout, umask=umask)
    assert "Traceback" not in finished.stderr, finished.stderr
    return finished


def python(
    code: str,
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    timeout: float = 600,
    umask: int = -1,
) -> Finished:
    """Runs ``python -c CODE`` to its end.

    The process is a fork of one that has imported the flows (see ``tests/warm.py``), unless its
    folder or environment could change what an import does.

    Args:
        code: That is run.
        arguments: What follows it on the command line.
        env: Added to the environment.
        cwd: The folder that it runs in.
        timeout: Seconds.
        umask: That it runs with; -1 leaves it.
    """
    surroundings = {**os.environ, **(env or {})}
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = None
        if cwd == ROOT or not any(cwd.iterdir()):  # what it holds could be imported
            process = warm.start(
                "flows", ["-c", WARM + code, *map(str, arguments)], env=surroundings, cwd=cwd,
                umask=permissions.umask() if umask == -1 else umask,
                files={0: _NOWHERE, 1: stdout.fileno(), 2: stderr.fileno()},
            )  # fmt: skip
        if process is None:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *map(str, arguments)], cwd=cwd, env=surroundings,
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, umask=umask,
            )  # fmt: skip
        try:
            ended = process.wait(timeout)
        except BaseException:
            os.kill(process.pid, signal.SIGKILL)
            raise
        stdout.seek(0)
        stderr.seek(0)
        return Finished(code=ended, stdout=stdout.read().decode(), stderr=stderr.read().decode())


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
