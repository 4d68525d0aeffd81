import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import bundle
from pipeline.bundle import Problem, open_bundle
from pipeline.errors import InputError
from pipeline.manifest import FILE_NAME
from tests.bundles import FILES, MANIFEST, problems_of, write_bundle, zip_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


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
        of_the_files = {"files": {}, "platforms": {}}
        assert opened.manifest.model_copy(update=of_the_files) == MANIFEST.model_copy(
            update=of_the_files
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


def test_verify_whole_bundle_finds_nothing(folder):
    assert problems_of(folder) == ()
    assert problems_of(zip_of(folder)) == ()


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
    assert problems_of(folder) == (Problem(path="tflite/model.tflite", problem=problem),)


@pytest.mark.parametrize("name", ["added", "tokenizer/added", "new/added", "tflite/.hidden"])
def test_verify_added_file_is_found(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).touch()
    assert problems_of(folder) == (Problem(path=name, problem="not in the manifest"),)


def test_verify_added_link_to_a_folder_is_found(folder):
    (folder / "link").symlink_to("/etc")
    assert problems_of(folder) == (Problem(path="link", problem="not in the manifest"),)


def test_verify_names_every_problem(folder):
    (folder / "parity.json").unlink()
    append(folder / "tokenizer" / "vocab.txt")
    (folder / "added").touch()
    assert {each.path for each in problems_of(folder)} == {
        "parity.json",
        "tokenizer/vocab.txt",
        "added",
    }


@pytest.mark.parametrize("as_zip", [False, True])
def test_verify_changed_manifest_is_found(folder, as_zip):
    path = folder / FILE_NAME
    path.write_text(path.read_text().replace("apache", "mit").replace('"mit"', '"gpl"'))
    where = zip_of(folder) if as_zip else folder
    (problem,) = problems_of(where)
    assert problem.path == FILE_NAME
    assert "was changed after it was written" in problem.problem


def test_verify_one_file_moved_into_another_bundle_is_found(folder, tmp_path):
    other = write_bundle(tmp_path / "other", files=FILES | {"parity.json": b"[]"})
    shutil.copy(other / "parity.json", folder / "parity.json")
    assert [each.path for each in problems_of(folder)] == ["parity.json"]


def test_size_of_a_package_counts_all_its_files(folder):
    assert bundle.size_bytes(folder / "coreml" / "model.mlpackage") == 256
    assert bundle.size_bytes(folder / "tflite" / "model.tflite") == 11
