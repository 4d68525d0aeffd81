"""What a command writes for itself goes with it, or with the next one."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.files.scratch import use_own_temporary_folder
from tests.command import ROOT, wait_until

NAME = ".pocketbert-tmp-abcd1234"
HOLDING = """
import atexit, os, shutil, sys, tempfile
from pathlib import Path
from pipeline.files.scratch import use_own_temporary_folder
use_own_temporary_folder()
made = Path(tempfile.mkdtemp())
made.joinpath("half").touch()
atexit.register(shutil.rmtree, made)
assert os.environ["TMPDIR"] == tempfile.gettempdir()
print(tempfile.gettempdir(), flush=True)
sys.stdin.readline()
"""


def hold(root: Path) -> tuple[subprocess.Popen[str], Path]:
    """Starts a process with a folder of its own, and returns both."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING], cwd=ROOT, env={**os.environ, "TMPDIR": str(root)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def finish(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate("\n", timeout=30)
    assert (process.returncode, said) == (0, "")


def run_one(root: Path) -> None:
    finish(hold(root)[0])


def test_temporary_files_lie_in_a_folder_that_goes_with_the_process(tmp_path):
    process, folder = hold(tmp_path)
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.rglob("half"))
    finish(process)
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_process_goes_with_the_next_and_that_of_a_living_stays(tmp_path):
    killed, left = hold(tmp_path)
    living, held = hold(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.is_dir()
    run_one(tmp_path)
    assert not left.exists()
    assert list(held.rglob("half"))
    finish(living)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [f"{NAME}x", ".pocketbert-tmp-", "pocketbert-bundle", "mine"])
def test_folder_of_another_name_stays(tmp_path, name):
    (tmp_path / name).mkdir(mode=0o700)
    run_one(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_link_and_file_and_folder_of_another_mode_stay(tmp_path, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").touch()
    (tmp_path / NAME).symlink_to(elsewhere)
    (tmp_path / f"{NAME[:-1]}5").touch()
    (tmp_path / f"{NAME[:-1]}6").mkdir(mode=0o755)
    run_one(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    assert (elsewhere / "precious").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_folder_of_another_user_stays(tmp_path):
    (tmp_path / NAME).mkdir(mode=0o700)
    os.chown(tmp_path / NAME, 65534, 65534)
    run_one(tmp_path)
    assert (tmp_path / NAME).is_dir()


def test_where_there_is_no_place_all_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    use_own_temporary_folder()
    assert tempfile.gettempdir() == str(tmp_path / "absent")


def test_many_processes_at_once_never_take_each_others_folder(tmp_path):
    held = [hold(tmp_path) for _ in range(6)]
    assert len({folder for _, folder in held}) == 6
    assert wait_until(lambda: all(list(folder.rglob("half")) for _, folder in held))
    for process, _ in held:
        finish(process)
    assert list(tmp_path.iterdir()) == []


def test_user_without_a_home_has_one_for_the_time(tmp_path):
    script = (
        "import os, pwd\n"
        "def no_name(number): raise KeyError(number)\n"
        "pwd.getpwuid = no_name\n"
        "from pipeline.files.scratch import use_own_temporary_folder\n"
        "use_own_temporary_folder()\n"
        "assert os.path.expanduser('~') == os.environ['TMPDIR'] == os.environ['HOME']\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "HOME"}
    subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, env={**env, "TMPDIR": str(tmp_path)}
    )
    assert list(tmp_path.iterdir()) == []
