import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import bundle
from pipeline.bundle import Problem, open_bundle, staged, verify
from pipeline.errors import InputError
from pipeline.manifest import FILE_NAME
from tests.bundles import FILES, MANIFEST, write_bundle
from tests.command import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def zip_of(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


def test_open_folder_gives_artifacts_with_their_paths(folder):
    with open_bundle(folder) as opened:
        (artifact,) = opened.artifacts
        assert opened.folder == folder
        assert artifact.path == folder / "tflite" / "model.tflite"
        assert (artifact.backend, artifact.precision) == ("tflite", "int8")
        assert artifact.seq_lens == (64, 384)
        assert artifact.inputs[0].artifact_name == "args_0"


def test_open_zip_gives_the_same_and_leaves_nothing(folder):
    with open_bundle(zip_of(folder)) as opened:
        unpacked = opened.folder
        assert opened.manifest.model_copy(update={"files": {}}) == MANIFEST.model_copy(
            update={"files": {}}
        )
        found = {name: (unpacked / name).read_bytes() for name in FILES}
        assert found == FILES
    assert not unpacked.exists()


@pytest.mark.parametrize(
    "name", ["absent", "absent/deeper", "bundle/parity.json/deeper", "x" * 300]
)
def test_open_nothing_is_refused(folder, name):
    with pytest.raises(InputError, match="no bundle at"), open_bundle(folder.parent / name):
        pass


def test_open_folder_that_is_no_bundle_is_refused(tmp_path):
    with (
        pytest.raises(InputError, match="has no manifest.json".replace(".", r"\.")),
        open_bundle(tmp_path),
    ):
        pass


def refuses_zip(archive: Path, match: str) -> None:
    """Checks that a zip is refused by its own name, and that nothing came out of it."""
    before = sorted(archive.parent.rglob("*"))
    for read in (verify, lambda path: open_bundle(path).__enter__()):
        with pytest.raises(InputError, match=match) as caught:
            read(archive)
        assert str(archive) in caught.value.message
        assert caught.value.hint
    assert sorted(archive.parent.rglob("*")) == before


def write_zip(path: Path, members: dict[str, bytes], *, mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


@pytest.mark.parametrize(
    "name", ["../outside", "a/../../outside", "/absolute", "..\\outside", "\\absolute", "//x"]
)
def test_open_zip_that_leads_outside_is_refused(tmp_path, name):
    refuses_zip(write_zip(tmp_path / "x.zip", {name: b"x"}), "outside of itself")


def test_open_zip_with_a_link_is_refused(tmp_path):
    archive = write_zip(tmp_path / "x.zip", {"link": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    refuses_zip(archive, "holds a link, 'link'")


def test_open_zip_bomb_is_refused(tmp_path):
    archive = write_zip(tmp_path / "x.zip", {f"zeros-{index}": b"\0" * 1234 for index in range(2)})
    # What it says decides: writing four gigabytes of zeros would take a test many seconds.
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(struct.pack("<I", 1234), struct.pack("<I", 3 * 10**9)))
    refuses_zip(archive, "would unpack to more than 4,000,000,000 bytes")


def test_open_zip_whose_sizes_lie_is_refused(tmp_path):
    """A bomb that states a small size is cut off at that size, and its checksum tells."""
    archive = write_zip(tmp_path / "x.zip", {"zeros": b"\0" * 10**7})
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(struct.pack("<I", 10**7), struct.pack("<I", 10)))
    refuses_zip(archive, "neither a bundle's folder nor a readable zip")


def test_open_zip_without_a_manifest_is_refused(tmp_path):
    refuses_zip(write_zip(tmp_path / "x.zip", {"file": b"x"}), "has no manifest")


def test_open_zip_with_a_folder_around_the_bundle_is_refused(folder):
    archive = Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))
    refuses_zip(archive, "has no manifest")


def test_open_zip_with_a_file_where_a_folder_should_be_is_refused(tmp_path):
    archive = write_zip(tmp_path / "x.zip", {"a": b"file", "a/b": b"inside"})
    refuses_zip(archive, "neither a bundle's folder nor a readable zip")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + b"\0" * 100, b"\x1f\x8b\x08"])
def test_open_file_that_is_no_zip_is_refused(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    refuses_zip(tmp_path / "x.zip", "neither a bundle's folder nor a readable zip")


def test_open_truncated_zip_is_refused(folder):
    archive = zip_of(folder)
    archive.write_bytes(archive.read_bytes()[:-30])
    refuses_zip(archive, "neither a bundle's folder nor a readable zip")


def test_open_zip_with_any_damaged_byte_is_refused_or_found_by_verify(folder):
    """One byte in every few, as each one unpacks the whole."""
    archive = zip_of(folder)
    raw = archive.read_bytes()
    with open_bundle(archive) as opened:
        expected = bundle.hash_files(opened.folder)
    for position in range(0, len(raw), 7):
        damaged = bytearray(raw)
        damaged[position] ^= 0xFF
        archive.write_bytes(damaged)
        try:
            problems = verify(archive)
        except InputError:
            continue
        if not problems:  # a byte that says nothing of the content, such as a date
            with open_bundle(archive) as opened:
                assert bundle.hash_files(opened.folder) == expected


@pytest.mark.parametrize("flag", [0x1, 0x40])
def test_open_encrypted_zip_is_refused(tmp_path, flag):
    archive = write_zip(tmp_path / "x.zip", {"file": b"x" * 50})
    raw = bytearray(archive.read_bytes())
    local, central = raw.index(b"PK\x03\x04"), raw.index(b"PK\x01\x02")
    raw[local + 6] |= flag
    raw[central + 8] |= flag
    archive.write_bytes(raw)
    refuses_zip(archive, "neither a bundle's folder nor a readable zip")


def test_verify_whole_bundle_finds_nothing(folder):
    assert verify(folder) == ()
    assert verify(zip_of(folder)) == ()


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def link_elsewhere(path: Path) -> None:
    copy = path.parents[2] / "copy"
    path.rename(copy)
    path.symlink_to(copy)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (append, "changed: its sha256 differs"),
        (lambda path: path.write_bytes(b""), "changed: its sha256 differs"),
        (Path.unlink, "missing"),
        (make_folder, "missing"),
        (link_elsewhere, "is a link"),
        (make_pipe, "is not a file"),
    ],
)
def test_verify_damaged_file_is_found(folder, damage: Callable[[Path], None], problem):
    damage(folder / "tflite" / "model.tflite")
    assert verify(folder) == (Problem(path="tflite/model.tflite", problem=problem),)


@pytest.mark.parametrize("name", ["added", "tokenizer/added", "new/added", "tflite/.hidden"])
def test_verify_added_file_is_found(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).touch()
    assert verify(folder) == (Problem(path=name, problem="not in the manifest"),)


def test_verify_added_link_to_a_folder_is_found(folder):
    (folder / "link").symlink_to("/etc")
    assert verify(folder) == (Problem(path="link", problem="not in the manifest"),)


def test_verify_names_every_problem(folder):
    (folder / "parity.json").unlink()
    append(folder / "tokenizer" / "vocab.txt")
    (folder / "added").touch()
    assert {each.path for each in verify(folder)} == {"parity.json", "tokenizer/vocab.txt", "added"}


@pytest.mark.parametrize("as_zip", [False, True])
def test_verify_changed_manifest_is_found(folder, as_zip):
    path = folder / FILE_NAME
    path.write_text(path.read_text().replace("apache", "mit").replace('"mit"', '"gpl"'))
    where = zip_of(folder) if as_zip else folder
    (problem,) = verify(where)
    assert problem.path == FILE_NAME
    assert "was changed after it was written" in problem.problem


def test_verify_one_file_moved_into_another_bundle_is_found(folder, tmp_path):
    other = write_bundle(tmp_path / "other", files=FILES | {"parity.json": b"[]"})
    shutil.copy(other / "parity.json", folder / "parity.json")
    assert [each.path for each in verify(folder)] == ["parity.json"]


def test_size_of_a_package_counts_all_its_files(folder):
    assert bundle.size_bytes(folder / "coreml" / "model.mlpackage") == 256
    assert bundle.size_bytes(folder / "tflite" / "model.tflite") == 11


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_staged_moves_the_folder_into_place(tmp_path):
    destination = tmp_path / "deep" / "er" / "bundle"
    with staged(destination) as work:
        assert not destination.exists()
        write_bundle(work)
    assert verify(destination) == ()
    assert entries(destination.parent) == ["bundle"]
    assert stat.S_IMODE(destination.stat().st_mode) == 0o755


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
        write_bundle(work, files={"other": b"other"})
        raise error
    assert verify(earlier) == ()
    assert (earlier / "parity.json").is_file()
    assert entries(tmp_path) == ["bundle"]


def test_staged_failing_to_move_leaves_the_earlier_bundle(tmp_path):
    earlier = write_bundle(tmp_path / "bundle")
    with pytest.raises(OSError, match="No such file"), staged(earlier) as work:
        shutil.rmtree(work)
    assert verify(earlier) == ()
    assert entries(tmp_path) == ["bundle"]


def test_staged_clears_away_what_a_killed_build_left_and_nothing_that_runs(tmp_path):
    destination = tmp_path / "bundle"
    killed = tmp_path / ".bundle.partial-killed"
    killed.mkdir()
    (killed / "half").write_text("a file")
    with staged(destination) as running:
        assert not killed.exists()
        with staged(destination) as second:
            assert running.is_dir()
            (second / "manifest.json").write_text("{}")
        (running / "manifest.json").write_text("{}")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_staged_replaces_the_earlier_bundle_whole(tmp_path):
    earlier = write_bundle(tmp_path / "bundle")
    with staged(earlier) as work:
        write_bundle(work, files={"other": b"other"})
        assert (earlier / "parity.json").is_file()
    assert entries(earlier) == [FILE_NAME, "other"]
    assert entries(tmp_path) == ["bundle"]


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.bundle import staged
from tests.bundles import write_bundle
with staged(Path(sys.argv[1])) as work:
    write_bundle(work, files={"other": b"other"})
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
        assert verify(destination) == ()
        assert (destination / "parity.json").is_file()
    else:
        assert not destination.exists()
    with staged(destination) as work:
        write_bundle(work)
    assert verify(destination) == ()


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
    before = {path: path.lstat() for path in tmp_path.rglob("*")}
    with (
        pytest.raises(InputError, match="exists and is not a bundle, so it is not over") as caught,
        staged(destination),
    ):
        pytest.fail("no work may begin")
    assert "-o" in caught.value.hint
    assert {path: path.lstat() for path in tmp_path.rglob("*")} == before


def test_staged_overwrites_a_bundle_of_a_newer_version_or_with_damage(tmp_path):
    destination = write_bundle(tmp_path / "bundle")
    path = destination / FILE_NAME
    path.write_text(path.read_text().replace('"schema_version":"1.0"', '"schema_version":"9.0"'))
    with staged(destination) as work:
        write_bundle(work)
    assert verify(destination) == ()


def test_staged_fills_an_empty_folder(tmp_path):
    (tmp_path / "bundle").mkdir()
    with staged(tmp_path / "bundle") as work:
        write_bundle(work)
    assert verify(tmp_path / "bundle") == ()


@pytest.mark.parametrize("name", [".", "./", "sub/.."])
def test_staged_fills_the_empty_working_folder(tmp_path, monkeypatch, name):
    work_folder = tmp_path / "here"
    work_folder.mkdir()
    monkeypatch.chdir(work_folder)
    with staged(Path(name)) as work:
        write_bundle(work)
    assert verify(work_folder) == ()
    assert entries(tmp_path) == ["here"]


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
        write_bundle(work, files={"other": b"other"})
    assert (tmp_path / "link" / "other").is_file()
    assert verify(tmp_path / "link") == ()
    assert (tmp_path / "target" / "neighbour").exists()
