"""Commands in this process, small disks, and interpreters without some packages."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.commands import app
from tests.command import Finished
from tests.pipeline.commands.calls import Call


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in this process."""

    def run(*arguments: str | Path) -> Finished:
        capfd.readouterr()
        code = app.run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Finished(code=code, stdout=captured.out, stderr=captured.err)

    return run


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts small disks in memory; only root may, and not in every container."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    if shutil.which("mount") is None:
        pytest.skip("there is no `mount` here")
    yield make
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


BLOCKER = """
import os
from importlib.machinery import PathFinder

find = PathFinder.find_spec


def find_spec(name, path=None, target=None):
    if name.partition(".")[0] in os.environ["BLOCKED"].split():
        return None
    return find(name, path, target)


PathFinder.find_spec = staticmethod(find_spec)
"""


@pytest.fixture
def without(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Returns the environment of an interpreter that does not find some packages."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)

    def environment(*packages: str) -> dict[str, str]:
        return {"PYTHONPATH": str(tmp_path), "BLOCKED": " ".join(packages)}

    return environment
