import os
import signal
import time
from pathlib import Path

import pytest

from converters.reading import damage
from converters.reading.damage import in_fork


def size(path: Path) -> int:
    return path.stat().st_size


def crash(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(path: Path) -> None:
    time.sleep(600)


def test_fork_gives_what_the_function_returns(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"four")
    assert in_fork(size, path) == 4


def test_fork_says_what_the_function_raised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        in_fork(size, tmp_path / "absent")


def test_fork_that_crashes_is_told_by_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="crashes with exit code -9"):
        in_fork(crash, tmp_path)


def test_fork_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damage, "_MAX_SECONDS", 0.2)
    with pytest.raises(ValueError, match="hangs"):
        in_fork(hang, tmp_path)
