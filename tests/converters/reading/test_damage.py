import errno
import os
import signal
import time
from pathlib import Path

import pytest

from converters.reading import damage
from converters.reading.damage import in_fork, loaded_by, refused
from converters.values.errors import GateError, InputError


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


@pytest.mark.parametrize("error", [
    ValueError("bad"), AssertionError("bad"), KeyError("bad"), IndexError("bad"),
    TypeError("bad"), RecursionError("bad"), RuntimeError("bad\nmore"), UnicodeError("bad"),
])  # fmt: skip
def test_whatever_a_parser_raises_of_a_file_is_the_files_fault(error: Exception) -> None:
    told = r"^/a/file cannot be read as a kind: .?bad.?$"
    with pytest.raises(InputError, match=told) as caught, refused(Path("/a/file"), "a kind"):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("kind", [FileNotFoundError, IsADirectoryError, NotADirectoryError])
def test_file_that_is_not_there_is_said_to_be_none(kind: type[OSError]) -> None:
    with pytest.raises(InputError, match=r"^/a/file is not a file$"), refused(Path("/a/file"), "x"):
        raise kind(errno.ENOENT, "none", "/elsewhere")


@pytest.mark.parametrize("error", [
    OSError(errno.ENOSPC, "full"), PermissionError(errno.EACCES, "closed"), MemoryError(),
    GateError("another weight"), KeyboardInterrupt(),
])  # fmt: skip
def test_what_is_not_the_files_fault_passes_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, refused(Path("/a/file"), "a kind"):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("error", [ValueError("bad\nmore"), RuntimeError("bad")])
def test_file_that_a_runtime_does_not_load_is_named_with_the_runtime(error: Exception) -> None:
    told = r"^litert cannot load /a/file: bad$"
    with pytest.raises(InputError, match=told) as caught, loaded_by("litert", Path("/a/file")):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [GateError("changed"), OSError(errno.ENOSPC, "full")])
def test_what_is_not_of_loading_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, loaded_by("litert", Path("/a/file")):
        raise error
    assert caught.value is error
