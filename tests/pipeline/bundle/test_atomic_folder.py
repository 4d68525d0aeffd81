import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from converters.values.errors import InputError
from pipeline.bundle import atomic_folder
from pipeline.bundle.atomic_folder import partial_prefix, staged
from pipeline.bundle.manifest import FILE_NAME
from tests.bundles import FILES, OTHER_FILES, problems_of, write_bundle
from tests.command import ROOT


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def states(folder: Path) -> dict[Path, tuple[int, ...]]:
    """Returns what a change of anything in a folder would change; reading a link changes times."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {
        path: (each.st_ino, each.st_mode, each.st_size, each.st_mtime_ns)
        for path, each in found.items()
    }


def test_staged_moves_the_folder_into_place(tmp_path):
    destination = tmp_path / "deep" / "er" / "bundle"
    with staged(destination) as work:
        assert not destination.exists()
        write_bundle(work)
    assert problems_of(destination) == ()
    assert entries(destination.parent) == ["bundle"]


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_staged_folder_has_the_permissions_that_the_umask_leaves(tmp_path, umask):
    before = os.umask(umask)
    try:
        with staged(tmp_path / "bundle") as work:
            write_bundle(work)
    finally:
        os.umask(before)
    for path in (tmp_path / "bundle", *(tmp_path / "bundle").rglob("*")):
        full = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == full & ~umask, path


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit, MemoryError])
def test_staged_interrupted_leaves_nothing(tmp_path, error):
    with pytest.raises(error), staged(tmp_path / "bundle") as work:
        write_bundle(work)
        raise error
    assert entries(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_staged_interrupted_leaves_the_earlier_bundle(tmp_path, error):
    earlier = write_bundle(tmp_path / "bundle")
    with pytest.raises(error), staged(earlier) as work:
        write_bundle(work, files=OTHER_FILES)
        raise error
    assert problems_of(earlier) == ()
    assert (earlier / "parity.json").is_file()
    assert entries(tmp_path) == ["bundle"]


def test_staged_failing_to_move_leaves_the_earlier_bundle(tmp_path):
    earlier = write_bundle(tmp_path / "bundle")
    with pytest.raises(OSError, match="No such file"), staged(earlier) as work:
        shutil.rmtree(work)
    assert problems_of(earlier) == ()
    assert entries(tmp_path) == ["bundle"]


def test_staged_clears_away_what_a_killed_build_left(tmp_path):
    killed = tmp_path / f"{partial_prefix('bundle')}killed"
    killed.mkdir()
    (killed / "half").write_text("a file")
    with staged(tmp_path / "bundle") as work:
        assert not killed.exists()
        write_bundle(work)
    assert entries(tmp_path) == ["bundle"]


def test_staged_while_another_is_at_work_is_refused_and_the_other_wins(tmp_path):
    destination = tmp_path / "bundle"
    with staged(destination) as running:
        with pytest.raises(InputError, match="another build is writing") as caught:
            staged(destination).__enter__()
        assert "-o" in caught.value.hint
        assert entries(tmp_path) == [running.name]
        write_bundle(running)
    assert problems_of(destination) == ()
    with staged(destination) as work:
        write_bundle(work)


def test_staged_beside_another_destination_goes_on(tmp_path):
    with staged(tmp_path / "bundle") as first, staged(tmp_path / "bundle2") as second:
        write_bundle(first)
        write_bundle(second)
    assert entries(tmp_path) == ["bundle", "bundle2"]


RACING = """
import sys
from pathlib import Path
from converters.values.errors import InputError
from pipeline.bundle.atomic_folder import staged
from tests.bundles import write_bundle
sys.stdin.readline()
try:
    with staged(Path(sys.argv[1])) as work:
        write_bundle(work)
        sys.stdin.readline()
except InputError as err:
    print(err.message)
else:
    print("won")
"""


@pytest.mark.conversion
def test_staged_of_many_processes_at_once_one_wins_whole_and_the_others_say_so(tmp_path):
    destination = tmp_path / "bundle"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACING, destination], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    for racer in racers:  # the starting shot
        racer.stdin.write("\n")
        racer.stdin.flush()
    # Who lost has ended; who won waits until all have.
    time.sleep(5)
    said = sorted(racer.communicate("\n", timeout=60)[0] for racer in racers)
    assert said == [f"another build is writing {destination}\n"] * 3 + ["won\n"]
    assert problems_of(destination) == ()
    assert entries(tmp_path) == ["bundle"]


def test_staged_replaces_the_earlier_bundle_whole(tmp_path):
    earlier = write_bundle(tmp_path / "bundle")
    with staged(earlier) as work:
        write_bundle(work, files=OTHER_FILES)
        assert (earlier / "parity.json").is_file()
    assert entries(earlier) == [FILE_NAME, "other", "tflite"]
    assert entries(tmp_path) == ["bundle"]


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.bundle.atomic_folder import staged
from tests.bundles import OTHER_FILES, write_bundle
with staged(Path(sys.argv[1])) as work:
    write_bundle(work, files=OTHER_FILES)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("has_earlier", [False, True])
def test_staged_killed_leaves_the_destination_as_it_was(tmp_path, has_earlier):
    destination = tmp_path / "bundle"
    if has_earlier:
        write_bundle(destination)
    killed = subprocess.run([sys.executable, "-c", KILLED, destination], cwd=ROOT, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    if has_earlier:
        assert problems_of(destination) == ()
        assert (destination / "parity.json").is_file()
    else:
        assert not destination.exists()
    with staged(destination) as work:
        write_bundle(work)
    assert problems_of(destination) == ()


def make_file(path: Path) -> None:
    path.write_text("precious")


def make_full_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("precious")


def make_folder_with_a_manifest_folder(path: Path) -> None:
    (path / FILE_NAME).mkdir(parents=True)


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def make_foreign_manifest(path: Path) -> None:
    """A browser extension and a web app have a manifest.json too."""
    path.mkdir()
    (path / FILE_NAME).write_text(json.dumps({"manifest_version": 3, "name": "extension"}))
    (path / "background.js").write_text("precious")


@pytest.mark.parametrize(
    "make",
    [
        make_file, make_full_folder, make_folder_with_a_manifest_folder, make_dangling_link,
        make_foreign_manifest,
    ],
)  # fmt: skip
def test_staged_never_overwrites_what_is_no_bundle(tmp_path, make):
    destination = tmp_path / "bundle"
    make(destination)
    before = states(tmp_path)
    with (
        pytest.raises(InputError, match="exists and is not a bundle, so it is not over") as caught,
        staged(destination),
    ):
        pytest.fail("no work may begin")
    assert "-o" in caught.value.hint
    assert states(tmp_path) == before


def keep_a_note(folder: Path) -> None:
    (folder / "notes.md").write_text("precious")


def keep_a_hidden_key(folder: Path) -> None:
    (folder / ".key.pem").write_text("precious")


def keep_a_folder_in_a_folder(folder: Path) -> None:
    (folder / "tflite" / "own").mkdir()
    (folder / "tflite" / "own" / "thesis.tex").write_text("precious")


def keep_an_empty_folder(folder: Path) -> None:
    (folder / "plans").mkdir()


def keep_a_link(folder: Path) -> None:
    (folder / "latest").symlink_to("/etc/hostname")


def keep_a_link_to_a_folder(folder: Path) -> None:
    (folder / "etc").symlink_to("/etc")


def keep_a_note_beside_a_manifest_of_nothing(folder: Path) -> None:
    (folder / FILE_NAME).write_text('{"pocketbert_version":"0.1.0","files":[1]}')
    keep_a_note(folder)


def keep_a_note_beside_a_manifest_of_another_version(folder: Path) -> None:
    path = folder / FILE_NAME
    path.write_text(path.read_text().replace('"schema_version":"1.0"', '"schema_version":"9.0"'))
    keep_a_note(folder)


def keep_a_note_beside_no_manifest(folder: Path) -> None:
    (folder / FILE_NAME).unlink()
    keep_a_note(folder)


def keep_a_note_beside_an_unreadable_manifest(folder: Path) -> None:
    (folder / FILE_NAME).write_bytes(b"{half")
    keep_a_note(folder)


KEEPING = [
    keep_a_note, keep_a_hidden_key, keep_a_folder_in_a_folder, keep_an_empty_folder, keep_a_link,
    keep_a_link_to_a_folder, keep_a_note_beside_a_manifest_of_nothing,
    keep_a_note_beside_a_manifest_of_another_version,
]  # fmt: skip


@pytest.mark.parametrize("keep", KEEPING)
def test_staged_over_what_the_earlier_bundle_does_not_list_is_refused_by_name(tmp_path, keep):
    destination = write_bundle(tmp_path / "bundle")
    keep(destination)
    before = states(tmp_path)
    with pytest.raises(InputError, match="not of its bundle, and would be lost: ") as caught:
        staged(destination).__enter__()
    assert any(name in caught.value.message for name in ("notes.md", ".key.pem", "tflite/own",
                                                          "plans", "latest", "etc"))  # fmt: skip
    assert "move it elsewhere" in caught.value.hint
    assert caught.value.exit_code == 2
    assert states(tmp_path) == before


@pytest.mark.parametrize(
    "keep", [keep_a_note_beside_no_manifest, keep_a_note_beside_an_unreadable_manifest]
)
def test_staged_over_a_bundle_that_lost_its_manifest_is_refused(tmp_path, keep):
    destination = write_bundle(tmp_path / "bundle")
    keep(destination)
    with pytest.raises(InputError, match="is not a bundle, so it is not overwritten"):
        staged(destination).__enter__()
    assert (destination / "notes.md").read_text() == "precious"


def test_staged_over_many_files_of_others_names_a_few_and_counts_the_rest(tmp_path):
    destination = write_bundle(tmp_path / "bundle")
    for number in range(5):
        (destination / f"note{number}").touch()
    with pytest.raises(InputError, match="lost: note0, note1, note2 and 2 more"):
        staged(destination).__enter__()


def test_staged_over_a_file_that_came_while_the_work_went_on_is_refused(tmp_path):
    destination = write_bundle(tmp_path / "bundle")
    with pytest.raises(InputError, match=r"would be lost: notes\.md"), staged(destination) as work:
        write_bundle(work, files=OTHER_FILES)
        keep_a_note(destination)
    assert (destination / "notes.md").read_text() == "precious"
    assert (destination / "parity.json").is_file()
    assert entries(tmp_path) == ["bundle"]


def test_staged_over_a_bundle_that_lost_files_replaces_it(tmp_path):
    """The folders that they lay in are the bundle's own."""
    destination = write_bundle(tmp_path / "bundle")
    for path in list(destination.rglob("weights.bin")):
        path.unlink()
    with staged(destination) as work:
        write_bundle(work)
    assert problems_of(destination) == ()


def test_staged_over_a_signed_bundle_replaces_it_and_its_signature(tmp_path):
    destination = write_bundle(tmp_path / "bundle")
    (destination / "manifest.sig").write_bytes(bytes(96))
    with staged(destination) as work:
        write_bundle(work)
    assert problems_of(destination) == ()
    assert not (destination / "manifest.sig").exists()


def test_staged_overwrites_a_bundle_of_a_newer_version_or_with_damage(tmp_path):
    destination = write_bundle(tmp_path / "bundle")
    path = destination / FILE_NAME
    path.write_text(path.read_text().replace('"schema_version":"1.0"', '"schema_version":"9.0"'))
    with staged(destination) as work:
        write_bundle(work)
    assert problems_of(destination) == ()


def test_staged_fills_an_empty_folder(tmp_path):
    (tmp_path / "bundle").mkdir()
    with staged(tmp_path / "bundle") as work:
        write_bundle(work)
    assert problems_of(tmp_path / "bundle") == ()


@pytest.mark.parametrize("name", [".", "./", "sub/.."])
def test_staged_fills_the_working_folder_which_stays_the_same_one(tmp_path, monkeypatch, name):
    """A shell that stands in it would see an empty folder that is nowhere, else."""
    work_folder = tmp_path / "here"
    work_folder.mkdir()
    monkeypatch.chdir(work_folder)
    for files in (FILES, OTHER_FILES, FILES):
        with staged(Path(name)) as work:
            write_bundle(work, files=files)
        assert problems_of(Path()) == problems_of(work_folder) == ()
        assert entries(tmp_path) == ["here"]
        assert sorted(Path().rglob("*")) == sorted(
            {Path(above) for name in (*files, FILE_NAME) for above in (name, *parents(name))}
        )


def parents(name: str) -> list[str]:
    return [str(above) for above in Path(name).parents if above != Path()]


def test_staged_fills_a_folder_that_the_working_folder_is_in(tmp_path, monkeypatch):
    destination = write_bundle(tmp_path / "bundle")
    monkeypatch.chdir(destination / "tflite")
    with staged(Path("..")) as work:
        write_bundle(work)
    assert Path("model.tflite").is_file()
    assert problems_of(destination) == ()


KILLED_FILLING = """
import os, signal, sys
from pathlib import Path
from pipeline.bundle.atomic_folder import staged
from tests.bundles import OTHER_FILES, write_bundle
seen = 0
def count(event, arguments):
    global seen
    if event in ("os.rename", "os.remove", "os.rmdir") and "started" in globals():
        seen += 1
        if seen > int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
with staged(Path(".")) as work:
    write_bundle(work, files=OTHER_FILES)
    started = True
"""


@pytest.mark.conversion
def test_staged_killed_at_any_step_of_filling_leaves_what_the_next_build_replaces(tmp_path):
    step, code = 0, -signal.SIGKILL
    while code:
        destination = tmp_path / str(step)
        write_bundle(destination)
        code = subprocess.run(
            [sys.executable, "-c", KILLED_FILLING, str(step)], cwd=destination, timeout=60,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ).returncode  # fmt: skip
        assert code in (0, -signal.SIGKILL)
        with staged(destination) as work:
            write_bundle(work)
        assert problems_of(destination) == ()
        step += 1
    assert step > 5
    assert entries(tmp_path) == sorted(map(str, range(step)))


MOUNTED = """
set -e
mount --bind "$1" "$2"
exec "$3" -c 'import sys
from pathlib import Path
from pipeline.bundle.atomic_folder import staged
from tests.bundles import FILES, OTHER_FILES, problems_of, write_bundle
for files in (OTHER_FILES, FILES):
    with staged(Path(sys.argv[1])) as work:
        write_bundle(work, files=files)
assert problems_of(Path(sys.argv[1])) == ()' "$2"
"""
IN_A_NAMESPACE = ("unshare", "--mount", "--user", "--map-root-user")


def can_mount() -> bool:
    """Tells whether this user may mount where no other process sees it."""
    probe = (*IN_A_NAMESPACE, "mount", "--bind", "/tmp", "/tmp")
    return shutil.which("unshare") is not None and not subprocess.run(probe, check=False).returncode


@pytest.mark.parametrize("name", ["volume", "a volume\nof two lines"])
def test_staged_fills_a_mount_point_which_can_not_be_renamed(tmp_path, name):
    if not can_mount():
        pytest.skip("mounting needs a Linux that lets this user have a namespace of its own")
    kept, volume = tmp_path / "kept", tmp_path / name
    (kept / "lost+found").mkdir(parents=True)
    volume.mkdir()
    subprocess.run(
        [*IN_A_NAMESPACE, "sh", "-c", MOUNTED, "sh", kept, volume, sys.executable],
        cwd=ROOT, check=True, timeout=60,
    )  # fmt: skip
    (kept / "lost+found").rmdir()
    assert problems_of(kept) == ()
    assert entries(tmp_path) == sorted(["kept", name])


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_staged_fills_a_folder_whose_parent_is_closed_to_this_user(tmp_path):
    destination = tmp_path / "closed" / "bundle"
    destination.mkdir(parents=True)
    destination.parent.chmod(0o555)
    try:
        with staged(destination) as work:
            write_bundle(work)
        assert problems_of(destination) == ()
        with pytest.raises(PermissionError), staged(destination.with_name("other")):
            pytest.fail("no work may begin")
    finally:
        destination.parent.chmod(0o755)


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, os.fsdecode(b"caf\xe9"), "two\nlines"])
def test_staged_at_any_name_that_the_system_takes(tmp_path, name):
    destination = tmp_path / name
    for files in (OTHER_FILES, FILES):
        with staged(destination) as work:
            write_bundle(work, files=files)
    assert problems_of(destination) == ()
    assert entries(tmp_path) == [name]


@pytest.mark.parametrize("path", ["x" * 256, "é" * 128, "/".join(["x" * 200] * 20)])
def test_staged_at_a_name_that_is_too_long_is_refused_before_the_work(tmp_path, path):
    with pytest.raises(InputError, match="File name too long") as caught:
        staged(tmp_path / path).__enter__()
    assert "-o" in caught.value.hint
    assert entries(tmp_path) == []


def test_staged_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("precious")
    with (
        pytest.raises(InputError, match="file is not a folder"),
        staged(tmp_path / "file" / "sub" / "bundle"),
    ):
        pytest.fail("no work may begin")
    assert entries(tmp_path) == ["file"]


def test_staged_through_a_link_replaces_the_link_target_never_its_neighbours(tmp_path):
    target = write_bundle(tmp_path / "target" / "bundle")
    (tmp_path / "target" / "neighbour").touch()
    (tmp_path / "link").symlink_to(target)
    with staged(tmp_path / "link") as work:
        write_bundle(work, files=OTHER_FILES)
    assert (tmp_path / "link" / "other").is_file()
    assert problems_of(tmp_path / "link") == ()
    assert (tmp_path / "target" / "neighbour").exists()


def never_exchanges(first: Path, second: Path) -> bool:
    return False


def test_staged_where_folders_cannot_be_exchanged_replaces_in_two_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic_folder, "_exchange", never_exchanges)
    earlier = write_bundle(tmp_path / "bundle")
    with staged(earlier) as work:
        write_bundle(work, files=OTHER_FILES)
    assert problems_of(earlier) == ()
    assert (earlier / "other").is_file()
    assert entries(tmp_path) == ["bundle"]


REPLACING = """
import itertools, sys
from pathlib import Path
from pipeline.bundle.atomic_folder import staged
from tests.bundles import FILES, OTHER_FILES, write_bundle
print("ready", flush=True)
for files in itertools.cycle([OTHER_FILES, FILES]):
    with staged(Path(sys.argv[1])) as work:
        write_bundle(work, files=files)
"""


@pytest.mark.conversion
def test_staged_killed_at_random_moments_leaves_one_whole_bundle_each_time(tmp_path):
    """It replaces a bundle some hundred times a second, so a kill meets every step of it."""
    destination = write_bundle(tmp_path / "bundle")
    moments = random.Random(0)
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", REPLACING, destination], cwd=ROOT, stdout=subprocess.PIPE
        )
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.wait()
        assert problems_of(destination) == ()
    with staged(destination) as work:
        write_bundle(work)
    assert entries(tmp_path) == ["bundle"]
