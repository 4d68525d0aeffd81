"""A cache that another user could have written in is not used, and that is told once."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pipeline.comparison.task_library import environment
from pipeline.running import user_cache
from pipeline.running.cache import StageCache
from pipeline.student import reference
from tests.command import ROOT

NOBODY = 65534


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Path(tmp_path, "pocketbert")


def give_away(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    os.chown(folder, NOBODY, NOBODY)


def open_to_the_group(folder: Path) -> None:
    folder.chmod(0o775)


def open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


@pytest.mark.parametrize("spoil", [give_away, open_to_the_group, open_to_all])
def test_cache_that_others_may_write_in_is_not_used_and_told_once(root, spoil, capsys):
    folder = root / "stages"
    user_cache.make(folder)
    assert user_cache.user_cache("stages") == folder
    spoil(folder)
    assert StageCache.of_user() is None
    assert user_cache.user_cache("stages") is None
    said = capsys.readouterr().err
    assert said.startswith(f"pocketbert: the cache {folder} is not used: ")
    assert said.count("\n") == 1


def test_cache_is_made_for_this_user_alone_whatever_the_umask(root):
    before = os.umask(0)
    try:
        user_cache.make(root / "stages")
    finally:
        os.umask(before)
    assert (root / "stages").stat().st_mode & 0o777 == 0o700


def test_cache_that_is_not_there_yet_is_this_users(root):
    assert user_cache.user_cache("stages") == root / "stages"


def test_no_environment_and_no_student_is_taken_from_a_cache_of_others(root, students):
    for name in ("task-library", "students"):
        user_cache.make(root / name)
        open_to_all(root / name)
    with pytest.raises(environment.UnavailableError, match="cache is not used"):
        environment.ensure()
    assert not environment.is_made()
    reference.remember(students["bert"])
    assert not any((root / "students").iterdir())


@pytest.mark.parametrize("cache", ["", "relative"])
def test_cache_without_a_home_is_not_used_and_nothing_is_made_in_its_stead(tmp_path, cache):
    """As for a user of a container whose number has no name."""
    script = (
        "import pwd\n"
        "def no_name(number): raise KeyError(number)\n"
        "pwd.getpwuid = no_name\n"
        "from pipeline.running.cache import StageCache\n"
        "assert StageCache.of_user() is None\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "HOME"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True,
        env={**env, "XDG_CACHE_HOME": cache, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "this user has no home folder" in done.stderr
    assert not any(tmp_path.iterdir())


def test_every_wheel_of_the_task_library_is_named_by_version_and_hash():
    text = environment.REQUIREMENTS.read_text(encoding="utf-8")
    wheels = [line for line in text.replace("\\\n", " ").splitlines() if not line.startswith("#")]
    assert len(wheels) == 5
    for wheel in wheels:
        name, _, hashed = wheel.partition(" --hash=sha256:")
        assert "==" in name
        assert len(hashed.strip()) == 64


def test_wheel_of_another_hash_is_not_installed(tmp_path, monkeypatch):
    """Of a package index in a folder, so that no network is needed."""
    wheel = tmp_path / "evil-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        about = "evil-1.0.dist-info"
        archive.writestr("evil.py", "")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"evil==1.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", requirements)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(environment.UnavailableError) as caught:
        environment.ensure()
    assert not environment.is_made()
    assert "hash" in caught.value.message.lower() or "got" in caught.value.message.lower()
