"""Whatever is done to a file of a bundle, ``verify`` names that file."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.values.errors import InputError
from pipeline.bundle.manifest import FILE_NAME
from tests.bundles import problems_of, write_bundle
from tests.command import pocketbert


@pytest.fixture(params=["by hand", "built"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "by hand":
        return write_bundle(tmp_path / "bundle")
    copied: Path = request.getfixturevalue("bundle_copy")
    return copied


def flip_the_first_bit(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def flip_the_last_bit(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 0x80]))


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_the_last_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def append_a_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def double(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGE = (
    flip_the_first_bit, flip_the_last_bit, cut_in_half, cut_the_last_byte, append_a_byte, double,
    empty, Path.unlink,
)  # fmt: skip


def names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def found(folder: Path) -> set[str]:
    """Returns the files that ``verify`` names, the manifest among them where it is refused."""
    try:
        return {problem.path for problem in problems_of(folder)}
    except InputError as err:
        assert FILE_NAME in err.message
        return {FILE_NAME}


def test_whole_bundle_has_no_problem(bundle: Path) -> None:
    assert found(bundle) == set()


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_each_damaged_file_is_named(bundle: Path, damage: Callable[[Path], None]) -> None:
    for name in names(bundle):
        content = (bundle / name).read_bytes()
        damage(bundle / name)
        assert found(bundle) == {name}
        (bundle / name).write_bytes(content)
    assert found(bundle) == set()


def test_each_renamed_file_is_named_by_both_names(bundle: Path) -> None:
    for name in set(names(bundle)) - {FILE_NAME}:
        path = bundle / name
        path.rename(path.with_name("renamed"))
        assert found(bundle) == {name, path.with_name("renamed").relative_to(bundle).as_posix()}
        path.with_name("renamed").rename(path)


def test_renamed_manifest_is_missed(bundle: Path) -> None:
    (bundle / FILE_NAME).rename(bundle / "manifest.bak")
    with pytest.raises(InputError, match=r"bundle is not a bundle: it has no manifest\.json"):
        problems_of(bundle)


def test_each_copied_file_is_named(bundle: Path) -> None:
    for name in names(bundle):
        copied = bundle / f"{name}.copy"
        shutil.copy(bundle / name, copied)
        assert found(bundle) == {f"{name}.copy"}
        copied.unlink()


def test_each_two_swapped_files_are_named(bundle: Path) -> None:
    every = names(bundle)
    contents = {name: (bundle / name).read_bytes() for name in every}
    for first in every:
        for second in every:
            if first < second and FILE_NAME not in (first, second):
                (bundle / first).write_bytes(contents[second])
                (bundle / second).write_bytes(contents[first])
                assert found(bundle) == {first, second}
                (bundle / first).write_bytes(contents[first])
                (bundle / second).write_bytes(contents[second])


def test_manifest_swapped_with_a_file_is_named(bundle: Path) -> None:
    manifest, other = bundle / FILE_NAME, bundle / "parity.json"
    content = manifest.read_bytes()
    manifest.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert found(bundle) == {FILE_NAME}


def test_each_flipped_byte_of_a_manifest_is_named(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    path = bundle / FILE_NAME
    content = path.read_bytes()
    for place, byte in enumerate(content):
        path.write_bytes(content[:place] + bytes([byte ^ 0xFF]) + content[place + 1 :])
        assert found(bundle) == {FILE_NAME}


def test_command_line_names_each_damaged_file_and_ends_with_code_1(bundle_copy: Path) -> None:
    damaged = {
        "tflite/model.tflite": flip_the_last_bit, "vectors.json": cut_in_half,
        "tokenizer/vocab.txt": empty, "parity.json": Path.unlink,
    }  # fmt: skip
    for name, damage in damaged.items():
        damage(bundle_copy / name)
    finished = pocketbert("verify", bundle_copy, "--json")
    assert finished.code == 1
    assert finished.json["ok"] is False
    assert {problem["path"] for problem in finished.json["problems"]} == set(damaged)


def test_command_line_names_a_damaged_manifest(bundle_copy: Path) -> None:
    cut_in_half(bundle_copy / FILE_NAME)
    finished = pocketbert("verify", bundle_copy, "--json")
    assert finished.code == 1
    (problem,) = finished.json["problems"]
    assert problem["path"] == FILE_NAME
    assert str(bundle_copy / FILE_NAME) in problem["problem"]
