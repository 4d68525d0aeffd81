"""Runs Swift over the iOS demo, by the demo's own script."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from tests.command import ROOT
from tests.conftest import USER_CACHE

DEMO = ROOT / "ios_demo"
SCRIPT = DEMO / "swift.sh"
ABSENT = 69
"""The exit code of the script where there is no Swift."""

_PASSED = re.compile(r'^. Test "(.+)" passed after', flags=re.MULTILINE)
_FAILED = re.compile(r"^. Test .+ recorded an issue .*$", flags=re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What became of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def passed(self) -> set[str]:
        """The names of the tests that passed."""
        return set(_PASSED.findall(self.stdout))

    @property
    def problems(self) -> str:
        """What failed, or the end of what was said."""
        found = _FAILED.findall(self.stdout)
        return "\n".join(found) or (self.stdout + self.stderr)[-6000:]


def run(
    *command: str, environment: Mapping[str, str] | None = None, timeout: float = 900
) -> Finished:
    """Runs a command in the demo's folder with Swift on its path.

    Args:
        command: And its arguments.
        environment: Added to that of this process.
        timeout: Seconds.
    """
    # The toolchain stays in the user's own cache, where other tests see an empty one.
    own = {**os.environ, "XDG_CACHE_HOME": str(USER_CACHE.parent), **(environment or {})}
    done = subprocess.run(
        (str(SCRIPT), *command), cwd=DEMO, env=own, stdin=subprocess.DEVNULL, capture_output=True,
        encoding="utf-8", errors="replace", timeout=timeout, check=False,
    )  # fmt: skip
    return Finished(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def why_absent() -> str:
    """Returns why Swift cannot run here, or nothing."""
    done = run("true")
    assert done.code in (0, ABSENT), done.stderr
    return done.stderr.strip() if done.code else ""
