"""Makes the environment that Google's Task Library runs in, once, in the user's cache.

tflite-support needs a protobuf that nothing else here can live with. The folder is named by the
hash of what is installed in it, and appears when it is whole.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from converters.values.errors import MissingPackageError, first_line
from pipeline.running import user_cache

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
"""Every wheel that it needs, by its hash."""

CLIENT = Path(__file__).with_name("client.py")
_PIP = (
    "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--retries=1",
    "--no-deps", "--only-binary=:all:", "--require-hashes",
)  # fmt: skip
_MAX_SECONDS = 900
"""For 60 MB of downloads."""


class UnavailableError(MissingPackageError):
    """The environment could not be made here."""


def ensure() -> Path:
    """Returns the Python of the environment, which is made where it is missing or broken.

    Raises:
        UnavailableError: There is no network, no wheel for this Python, or no place for it.
    """
    folder = _folder()
    if folder is None:
        raise _unavailable("this user's cache is not used")
    if _works(_python(folder)):
        return _python(folder)
    try:
        user_cache.make(folder.parent)
        # One process makes it, and the others wait. The lock ends with the process that holds it.
        with (folder.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _works(_python(folder)):
                _make(folder)
    except OSError as err:
        raise _unavailable(first_line(err)) from err
    return _python(folder)


def is_made() -> bool:
    """Returns whether the environment is there already."""
    folder = _folder()
    return folder is not None and _python(folder).exists()


def run_client(python: Path, arguments: Sequence[str], *, timeout: float) -> tuple[int, str]:
    """Runs the client, and returns its exit code and the last line that it wrote to stderr.

    Raises:
        TimeoutExpired: It was ended after so many seconds.
        OSError: It could not be started.
    """
    return _run([str(python), "-I", str(CLIENT), *arguments], timeout=timeout)


def _make(folder: Path) -> None:
    for left_over in folder.parent.glob(".partial-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    staged = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        _call([sys.executable, "-I", "-m", "venv", str(staged)])
        _call([str(_python(staged)), "-I", *_PIP, "-r", str(REQUIREMENTS)])
        code, said = run_client(_python(staged), (), timeout=_MAX_SECONDS)
        if code:
            raise _unavailable(said)
        shutil.rmtree(folder, ignore_errors=True)
        staged.rename(folder)
    except subprocess.TimeoutExpired as err:
        raise _unavailable(f"it took more than {_MAX_SECONDS} seconds") from err
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _works(python: Path) -> bool:
    try:
        return python.exists() and run_client(python, (), timeout=_MAX_SECONDS)[0] == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _call(command: list[str]) -> None:
    code, said = _run(command, timeout=_MAX_SECONDS)
    if code:
        raise _unavailable(said)


def _run(command: list[str], *, timeout: float) -> tuple[int, str]:
    # What this environment is told by variables is not meant for the other one.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=timeout, check=False, encoding="utf-8", errors="replace",
    )  # fmt: skip
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return done.returncode, lines[-1] if lines else f"exit code {done.returncode}"


def _unavailable(reason: str) -> UnavailableError:
    return UnavailableError(
        f"its environment could not be made: {reason.removeprefix('ERROR: ')}",
        hint="it needs Python 3.11 on Linux x86-64, and the package index the first time",
    )


def _folder() -> Path | None:
    """Returns where the environment is, or is to be; ``None`` where no place is safe for it."""
    parent = user_cache.user_cache("task-library")
    if parent is None:
        return None
    requirements = REQUIREMENTS.read_text(encoding="utf-8")
    named = (sysconfig.get_platform(), sysconfig.get_python_version(), requirements)
    return parent / hashlib.sha256("\n".join(named).encode()).hexdigest()[:16]


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"
