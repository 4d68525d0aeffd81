import os
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from converters.values.errors import InputError
from pipeline.bundle import atomic_folder, open
from pipeline.bundle.archive import pack
from pipeline.bundle.open import open_bundle, verify
from tests.bundles import problems_of, write_bundle, zip_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


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


def test_open_zip_with_a_folder_around_the_bundle_gives_the_bundle(folder):
    archive = Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))
    assert problems_of(archive) == ()


@pytest.mark.parametrize("name", ["beside.txt", "bundle-2/manifest.json", "other/deep/file"])
def test_open_zip_with_a_file_beside_the_bundle_is_refused(folder, tmp_path, name):
    archive = Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(name, b"beside")
    refuses_zip(archive, "beside its bundle|is damaged|not a valid")


def test_open_zip_with_a_name_twice_is_refused(tmp_path):
    archive = write_zip(tmp_path / "x.zip", {"manifest.json": b"{}"})
    with pytest.warns(UserWarning), zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("manifest.json", b"other")
    refuses_zip(archive, r"holds 'manifest\.json' twice")


def test_open_zip_of_very_many_files_is_refused(tmp_path):
    archive = write_zip(tmp_path / "x.zip", {str(number): b"" for number in range(1_001)})
    refuses_zip(archive, "holds more than 1,000 files")


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
        expected = open.hash_files(opened.folder)
    for position in range(0, len(raw), 7):
        damaged = bytearray(raw)
        damaged[position] ^= 0xFF
        archive.write_bytes(damaged)
        try:
            problems = problems_of(archive)
        except InputError:
            continue
        if not problems:  # a byte that says nothing of the content, such as a date
            with open_bundle(archive) as opened:
                assert open.hash_files(opened.folder) == expected


@pytest.mark.parametrize("flag", [0x1, 0x40])
def test_open_encrypted_zip_is_refused(tmp_path, flag):
    archive = write_zip(tmp_path / "x.zip", {"file": b"x" * 50})
    raw = bytearray(archive.read_bytes())
    local, central = raw.index(b"PK\x03\x04"), raw.index(b"PK\x01\x02")
    raw[local + 6] |= flag
    raw[central + 8] |= flag
    archive.write_bytes(raw)
    refuses_zip(archive, "neither a bundle's folder nor a readable zip")


def test_pack_twice_gives_the_same_bytes_and_replaces(tmp_path):
    files = {}
    for name in ("b/deep.txt", "a.bin"):
        files[name] = tmp_path / Path(name).name
        files[name].write_bytes(b"x" * 1000)
    first = tmp_path / "first.zip"
    pack(files, first, as_they_are=frozenset({"a.bin"}))
    os.utime(files["a.bin"], (0, 0))
    files["a.bin"].chmod(0o600)
    second = tmp_path / "new folder" / "second.zip"
    for _ in range(2):
        pack(dict(reversed(files.items())), second, as_they_are=frozenset({"a.bin"}))
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in second.parent.iterdir()] == ["second.zip"]
    with zipfile.ZipFile(second) as opened:
        kinds = {each.filename: each.compress_type for each in opened.infolist()}
    assert kinds == {"a.bin": zipfile.ZIP_STORED, "b/deep.txt": zipfile.ZIP_DEFLATED}


def test_pack_that_fails_leaves_what_was_there(tmp_path):
    archive = tmp_path / "x.zip"
    archive.write_bytes(b"earlier")
    with pytest.raises(FileNotFoundError):
        pack({"a": tmp_path / "absent"}, archive, as_they_are=frozenset())
    assert archive.read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_pack_under_any_umask_gives_the_same_bytes_with_the_permissions_that_it_leaves(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    found = {}
    for umask in (0o022, 0o002, 0o077):
        archive = tmp_path / f"{umask:o}.zip"
        before = os.umask(umask)
        try:
            pack({"file": tmp_path / "file"}, archive, as_they_are=frozenset())
        finally:
            os.umask(before)
        assert stat.S_IMODE(archive.stat().st_mode) == 0o666 & ~umask
        found[umask] = archive.read_bytes()
    assert len(set(found.values())) == 1
    assert len(list(tmp_path.iterdir())) == 4


def test_pack_clears_away_what_a_killed_one_left_and_nothing_that_is_being_written(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    prefix = atomic_folder.partial_prefix("x.zip")
    killed, running = tmp_path / f"{prefix}killed", tmp_path / f"{prefix}running"
    other = tmp_path / f"{atomic_folder.partial_prefix('y.zip')}killed"
    for path in (killed, running, other):
        path.touch()
    with atomic_folder.lock(running):
        pack({"a": tmp_path / "a"}, tmp_path / "x.zip", as_they_are=frozenset())
    assert not killed.exists()
    assert running.exists()
    assert other.exists()
