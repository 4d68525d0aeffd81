"""Zips that somebody made to do harm, each refused by its name, with nothing left behind."""

import io
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from converters.values.errors import InputError
from pipeline.bundle.archive import MAX_MEMBERS
from pipeline.bundle.manifest import FILE_NAME
from pipeline.bundle.open import Problem
from tests.bundles import problems_of, write_bundle

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")

Packed = Callable[..., Path]


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    """Zips a good bundle, with more members than that."""
    bundle = write_bundle(tmp_path / "good" / "bundle")

    def pack(
        members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
    ) -> Path:
        path = tmp_path / "zips" / "bundle.zip"
        path.parent.mkdir()
        with zipfile.ZipFile(path, "w", method) as archive:
            for file in sorted(bundle.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(bundle).as_posix())
            for name, content in members.items():
                archive.writestr(name, content)
            archive.comment = comment
        return path

    return pack


def raw_zip(path: Path, entries: list[tuple[bytes, bytes]], **changes: int) -> Path:
    """Writes a zip by hand: names as they are, and fields of each entry as they are asked for."""
    body, directory = io.BytesIO(), io.BytesIO()
    flags, version = changes.get("flags", 0), changes.get("version", 20)
    for name, content in entries:
        method, crc = changes.get("method", 0), zlib.crc32(content)
        sizes = (changes.get("packed_size", len(content)), changes.get("size", len(content)))
        place = changes.get("place", body.tell())
        fields = (version, flags, method, 0, 33, crc, *sizes, len(name))
        body.write(LOCAL.pack(b"PK\3\4", *fields, 0) + name + content)
        directory.write(CENTRAL.pack(b"PK\1\2", version, *fields, 0, 0, 0, 0, 0, place) + name)
    count, size = len(entries), len(directory.getvalue())
    end = END.pack(
        b"PK\5\6", 0, 0, count % 2**16, count % 2**16, size, changes.get("start", body.tell()), 0
    )
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body.getvalue() + directory.getvalue() + end)
    return path


def refused(archive: Path, match: str) -> None:
    before = sorted(archive.parents[1].rglob("*"))
    with pytest.raises(InputError, match=match) as caught:
        problems_of(archive)
    assert str(archive) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert sorted(archive.parents[1].rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    [
        "/absolute", "//host/share/x", "../outside", "a/../../outside", "a/..", "..",
        "..\\outside", "a\\..\\..\\outside", "\\absolute", "\\\\host\\share\\x", "C:\\x", "C:/x",
        "C:x", "c:", "\\\\?\\C:\\x", "a\n/../..",
    ],
)  # fmt: skip
def test_name_that_leads_outside_is_refused(packed: Packed, name: str) -> None:
    refused(packed({name: b"evil"}), "outside of itself")


@pytest.mark.parametrize(
    "name", [FILE_NAME, "./parity.json", "tokenizer//vocab.txt", "PARITY.JSON"]
)
def test_two_files_of_one_name_are_refused(packed: Packed, name: str) -> None:
    with pytest.warns(UserWarning, match="Duplicate name") if name == FILE_NAME else nullcontext():
        archive = packed({name: b"another"})
    refused(archive, "twice")


def test_name_that_ends_early_is_refused_as_the_name_that_it_hides(packed: Packed) -> None:
    """Python reads ``parity.json`` up to the NUL, and other readers the rest."""
    archive = packed({"parity.json#.txt": b"another"})
    archive.write_bytes(archive.read_bytes().replace(b"json#.txt", b"json\0.txt"))
    refused(archive, "twice")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (b"", "readable zip"), (b"/", "outside of itself"), (b"x" * 300, "readable zip"),
        (b"a/" * 3000 + b"x", "readable zip"), (b"\0", "readable zip"), (b".", "readable zip"),
    ],
    ids=repr,
)  # fmt: skip
def test_name_that_is_none_is_refused(tmp_path: Path, name: bytes, problem: str) -> None:
    refused(raw_zip(tmp_path / "zips" / "x.zip", [(name, b"x")]), problem)


def test_name_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    archive = raw_zip(tmp_path / "zips" / "x.zip", [(b"\xed\xa0\x80", b"x")], flags=0x800)
    refused(archive, "readable zip")


@pytest.mark.parametrize("method", [1, 6, 9, 12, 14, 93, 95, 98, 99, 0xFFFF])
def test_compression_that_nobody_knows_is_refused(tmp_path: Path, method: int) -> None:
    archive = raw_zip(tmp_path / "zips" / "x.zip", [(b"a", b"x" * 50)], method=method)
    refused(archive, f"packed by method {method}, where a bundle is deflated or stored")


def test_lzma_that_asks_for_four_gigabytes_is_refused_before_it_gets_them(tmp_path: Path) -> None:
    """Its header states the size of a dictionary, which its reader allocates."""
    content = b"\x09\x04\x05\x00" + b"\x5d" + b"\xff\xff\xff\xff" + bytes(20)
    archive = raw_zip(tmp_path / "zips" / "x.zip", [(b"a", content)], method=14)
    refused(archive, "packed by method 14, where")


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 2**32 - 2}, {"packed_size": 2**32 - 2, "size": 2**32 - 2}, {"size": 2**32 - 1},
        {"size": 10**9}, {"packed_size": 10**9}, {"packed_size": 0}, {"place": 2**32 - 2},
        {"place": 10**6}, {"start": 2**32 - 2}, {"start": 10}, {"flags": 1}, {"flags": 0x20},
        {"flags": 0x40}, {"version": 99},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_lie_are_refused(tmp_path: Path, changes: dict[str, int]) -> None:
    archive = raw_zip(tmp_path / "zips" / "x.zip", [(b"a", b"x" * 50), (b"b", b"y")], **changes)
    begin = time.perf_counter()
    refused(archive, "readable zip|would unpack to more than|has no manifest")
    assert time.perf_counter() - begin < 5


def test_entries_that_share_their_bytes_cannot_unpack_to_more_than_the_limit(
    tmp_path: Path,
) -> None:
    """A bomb without recursion: its entries lie over one another, and so does what they state."""
    zeros = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = zeros.compress(bytes(10**7)) + zeros.flush()
    entries = [(f"{number}".encode(), content) for number in range(500)]
    archive = raw_zip(
        tmp_path / "zips" / "x.zip", entries, method=8, packed_size=len(content), size=10**7,
        place=0,
    )  # fmt: skip
    refused(archive, "would unpack to more than 4,000,000,000 bytes")


def test_entry_that_lies_over_another_is_refused(tmp_path: Path) -> None:
    archive = raw_zip(tmp_path / "zips" / "x.zip", [(b"a", b"x"), (b"b", b"x")], place=0)
    refused(archive, "readable zip")


def test_100_000_empty_members_are_refused_at_once(tmp_path: Path) -> None:
    entries = [(f"{number}".encode(), b"") for number in range(100_000)]
    archive = raw_zip(tmp_path / "zips" / "x.zip", entries)
    begin = time.perf_counter()
    refused(archive, f"more than {MAX_MEMBERS:,} files")
    assert time.perf_counter() - begin < 20


def test_zip_within_the_zip_is_no_part_of_the_bundle(packed: Packed) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("../outside", b"evil")
    found = problems_of(packed({"inner.zip": inner.getvalue()}))
    assert found == (Problem(path="inner.zip", problem="not in the manifest"),)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_good_zip_with_the_longest_comment_is_read(packed: Packed, method: int) -> None:
    assert problems_of(packed({}, method=method, comment=b"x" * 65535)) == ()


def test_good_zip_of_the_64_bit_kind_is_read(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(bundle.rglob("*")):
            if file.is_file():
                name = file.relative_to(bundle).as_posix()
                with archive.open(name, "w", force_zip64=True) as member:
                    member.write(file.read_bytes())
    assert problems_of(path) == ()
