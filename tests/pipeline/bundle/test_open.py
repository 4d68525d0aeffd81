import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.values.errors import GateError, InputError
from pipeline.bundle import open
from pipeline.bundle.manifest import FILE_NAME, ManifestDamagedError, read_manifest, write_manifest
from pipeline.bundle.open import Problem, open_bundle
from pipeline.comparison.runtimes import load_artifact
from pipeline.files.checksums import checked
from tests.bundles import FILES, problems_of, write_bundle, zip_of


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
        assert opened.manifest == read_manifest(folder)
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


def test_verify_size_that_is_not_that_of_the_artifact_is_found(folder):
    said = read_manifest(folder)
    parts = tuple(part.model_copy(update={"size_bytes": 10**6}) for part in said.artifacts)
    write_manifest(said.model_copy(update={"artifacts": parts}), folder)
    (problem,) = problems_of(folder)
    assert problem.path == "tflite/model.tflite"
    assert problem.problem == "takes 11 bytes, where the manifest says 1000000"


def test_manifest_that_is_a_link_is_refused(folder):
    elsewhere = folder.with_name("elsewhere.json")
    (folder / FILE_NAME).rename(elsewhere)
    (folder / FILE_NAME).symlink_to(elsewhere)
    assert [(each.path, "is a link" in each.problem) for each in problems_of(folder)] == [
        (FILE_NAME, True)
    ]
    with pytest.raises(ManifestDamagedError, match="is a link"), open_bundle(folder):
        pass


@pytest.mark.parametrize("name", ["tokenizer/vocab.txt", "tokenizer/unicode.json", "vectors.json"])
@pytest.mark.parametrize("damage", [append, Path.unlink, link_elsewhere])
def test_open_bundle_with_a_damaged_small_file_names_it(folder, name, damage):
    if damage is link_elsewhere:
        (folder / name).rename(folder.with_name("copy"))
        (folder / name).symlink_to(folder.with_name("copy"))
    else:
        damage(folder / name)
    with pytest.raises(GateError, match=name) as caught, open_bundle(folder):
        pass
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("damage", [append, Path.unlink, link_elsewhere, make_folder])
def test_artifact_that_is_damaged_is_named_before_a_runtime_sees_it(folder, damage):
    with open_bundle(folder) as opened:
        (artifact,) = opened.artifacts
        assert checked(artifact).path == artifact.path
        damage(folder / "tflite" / "model.tflite")
        with pytest.raises(GateError, match=r"tflite/model\.tflite of the bundle is not what"):
            load_artifact(artifact=artifact, runtime="litert", num_threads=1)


def test_size_of_a_package_counts_all_its_files(folder):
    assert open.size_bytes(folder / "coreml" / "model.mlpackage") == 256
    assert open.size_bytes(folder / "tflite" / "model.tflite") == 11
