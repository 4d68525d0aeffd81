"""What a command writes for itself goes with it, or with the next one."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.scratch import own_temporary_folder
from tests.command import ROOT, wait_until

NAME = ".pocketbert-tmp-abcd1234"
HOLDING = """
import sys, tempfile
from pathlib import Path
from pipeline.scratch import own_temporary_folder
with own_temporary_folder():
    Path(tempfile.mkdtemp(), "half").touch()
    print(tempfile.gettempdir(), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return Path(tmp_path)


def hold(root: Path) -> tuple[subprocess.Popen[str], Path]:
    """Starts a process with a folder of its own, and returns both."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING], cwd=ROOT, env={**os.environ, "TMPDIR": str(root)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_temporary_files_lie_in_a_folder_that_goes_with_the_block(root):
    with own_temporary_folder():
        folder = Path(tempfile.gettempdir())
        assert folder.parent == root
        assert os.environ["TMPDIR"] == str(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        Path(tempfile.mkdtemp(), "file").touch()
    assert list(root.iterdir()) == []
    assert os.environ["TMPDIR"] == str(root)
    assert tempfile.gettempdir() == str(root)


def test_folder_of_a_killed_process_goes_with_the_next_and_that_of_a_living_stays(root):
    killed, left = hold(root)
    living, held = hold(root)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.is_dir()
    with own_temporary_folder():
        assert not left.exists()
        assert list(held.rglob("half"))
    living.communicate("\n", timeout=30)
    assert living.returncode == 0
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", [f"{NAME}x", ".pocketbert-tmp-", "pocketbert-bundle", "mine"])
def test_folder_of_another_name_stays(root, name):
    (root / name).mkdir(mode=0o700)
    with own_temporary_folder():
        pass
    assert [path.name for path in root.iterdir()] == [name]


def test_link_and_file_and_folder_of_another_mode_stay(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").touch()
    (root / NAME).symlink_to(elsewhere)
    (root / f"{NAME[:-1]}5").touch()
    (root / f"{NAME[:-1]}6").mkdir(mode=0o755)
    with own_temporary_folder():
        pass
    assert len(list(root.iterdir())) == 3
    assert (elsewhere / "precious").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_folder_of_another_user_stays(root):
    (root / NAME).mkdir(mode=0o700)
    os.chown(root / NAME, 65534, 65534)
    with own_temporary_folder():
        pass
    assert (root / NAME).is_dir()


def test_where_there_is_no_place_all_stays_as_it_is(root, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(root / "absent"))
    with own_temporary_folder():
        assert tempfile.gettempdir() == str(root / "absent")


def test_many_processes_at_once_never_take_each_others_folder(root):
    held = [hold(root) for _ in range(6)]
    assert len({folder for _, folder in held}) == 6
    assert wait_until(lambda: all(list(folder.rglob("half")) for _, folder in held))
    for process, _ in held:
        process.communicate("\n", timeout=30)
        assert process.returncode == 0
    assert list(root.iterdir()) == []
