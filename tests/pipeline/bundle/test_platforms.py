import json
import zipfile
from pathlib import Path

import pytest

from converters.values.errors import InputError
from pipeline.bundle.manifest_parts import ArtifactPart, TensorPart
from pipeline.bundle.open import open_bundle, verify
from pipeline.bundle.platforms import files_by_platform, write
from tests.bundles import MANIFEST, problems_of, write_bundle, zip_of

COMMON = ["manifest.json", "tokenizer/unicode.json", "tokenizer/vocab.txt", "vectors.json"]


def part(backend: str, path: str) -> ArtifactPart:
    return ArtifactPart(
        backend=backend, precision="int8", path=path, size_bytes=1, seq_lens=(64,), requires={},
        entry_points=("forward",),
        inputs=(TensorPart(name="input_ids", artifact_name="0", dtype="int32"),),
        outputs=(TensorPart(name="start_logits", artifact_name="0", dtype="float32"),),
    )  # fmt: skip


FILES = {
    "executorch/model.pte": b"pte",
    "tflite/model.tflite": b"not a model",
    "coreml/model.mlpackage/Manifest.json": b"{}",
    "coreml/model.mlpackage/Data/weights.bin": bytes(range(256)),
    "tokenizer/vocab.txt": b"[PAD]\n" * 100,
    "tokenizer/tokenizer.json": b"{}",
    "tokenizer/unicode.json": b"{}",
    "vectors.json": b"{}",
    "parity.json": b"{}",
    "report.html": b"<html>",
    "recipe.json": b"{}",
}
PARTS = (
    part("executorch", "executorch/model.pte"),
    part("tflite", "tflite/model.tflite"),
    part("coreml", "coreml/model.mlpackage"),
)


@pytest.fixture
def folder(tmp_path) -> Path:
    manifest = MANIFEST.model_copy(update={"artifacts": PARTS})
    return write_bundle(tmp_path / "bundle", files=FILES, manifest=manifest)


def pack(folder: Path, platform: str, destination: Path) -> Path:
    with open_bundle(folder) as opened:
        write(opened, platform, destination)
    return destination


def names_in(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return sorted(opened.namelist())


def test_android_bundle_holds_its_artifacts_as_assets_and_nothing_else(folder, tmp_path):
    archive = pack(folder, "android", tmp_path / "android.zip")
    own = ["executorch/model.pte", "tflite/model.tflite"]
    assert names_in(archive) == sorted(f"assets/pocketbert/{name}" for name in (*COMMON, *own))


def test_ios_bundle_holds_its_artifacts_as_a_folder_and_nothing_else(folder, tmp_path):
    archive = pack(folder, "ios", tmp_path / "ios.zip")
    own = ["executorch/model.pte", *(name for name in FILES if name.startswith("coreml"))]
    assert names_in(archive) == sorted(f"pocketbert/{name}" for name in (*COMMON, *own))


@pytest.mark.parametrize(
    ("platform", "backends"),
    [("android", ["executorch", "tflite"]), ("ios", ["executorch", "coreml"])],
)
def test_platform_bundle_opens_and_verifies_as_a_bundle_of_its_artifacts(
    folder, tmp_path, platform, backends
):
    archive = pack(folder, platform, tmp_path / "x.zip")
    found = verify(archive)
    assert (found.problems, found.platform) == ((), platform)
    with open_bundle(archive) as opened:
        assert [artifact.backend for artifact in opened.artifacts] == backends
        assert all(artifact.path.exists() for artifact in opened.artifacts)
        assert opened.task_library is None


@pytest.mark.parametrize(
    "name", ["tflite/model.tflite", "executorch/model.pte", "tokenizer/vocab.txt", "vectors.json"]
)
def test_platform_bundle_that_lacks_a_file_is_refused_with_its_name(folder, tmp_path, name):
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(pack(folder, "android", tmp_path / "x.zip")) as opened:
        opened.extractall(unpacked)
    root = unpacked / "assets" / "pocketbert"
    (root / name).unlink()
    (problem,) = problems_of(root)
    assert (problem.path, problem.problem) == (name, "missing")


@pytest.mark.parametrize("name", sorted(FILES))
def test_whole_bundle_that_lacks_a_file_is_refused_with_its_name(folder, name):
    (folder / name).unlink()
    (problem,) = problems_of(folder)
    assert (problem.path, problem.problem) == (name, "missing")


def test_platform_bundle_with_a_file_too_many_is_refused_with_its_name(folder, tmp_path):
    archive = pack(folder, "android", tmp_path / "x.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("assets/pocketbert/added", b"")
    assert "added" in [problem.path for problem in problems_of(archive)]


def test_write_twice_gives_the_same_bytes(folder, tmp_path):
    first, second = (pack(folder, "ios", tmp_path / f"{name}.zip") for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_write_tells_what_takes_how_much(folder, tmp_path):
    with open_bundle(folder) as opened:
        shares = write(opened, "android", tmp_path / "x.zip")
    assert {share.purpose: share.size_bytes for share in shares} == {
        "manifest": (folder / "manifest.json").stat().st_size,
        "vocabulary": 600,
        "executorch int8": 3,
        "tflite int8": 11,
        "Unicode tables of the tokenizer": 2,
        "self test": 2,
    }
    by_purpose = {share.purpose: share for share in shares}
    assert by_purpose["vocabulary"].packed_bytes < 100
    assert by_purpose["tflite int8"].packed_bytes == 11
    assert list(shares) == sorted(shares, key=lambda share: -share.size_bytes)


def test_write_keeps_the_signature(folder, tmp_path):
    (folder / "manifest.sig").write_bytes(b"x" * 64)
    assert "pocketbert/manifest.sig" in names_in(pack(folder, "ios", tmp_path / "x.zip"))
    assert verify(tmp_path / "x.zip").signature == "unchecked"


def test_write_for_a_platform_without_an_artifact_is_refused(tmp_path):
    folder = write_bundle(tmp_path / "bundle")
    with pytest.raises(InputError, match="has no artifact for ios") as caught:
        pack(folder, "ios", tmp_path / "x.zip")
    assert "--backend coreml" in caught.value.hint


def test_write_from_the_bundle_of_another_platform_is_refused(folder, tmp_path):
    android = pack(folder, "android", tmp_path / "android.zip")
    with pytest.raises(InputError, match="is the bundle of android alone"):
        pack(android, "ios", tmp_path / "ios.zip")
    again = pack(android, "android", tmp_path / "again.zip")
    assert again.read_bytes() == android.read_bytes()


def test_write_never_overwrites_what_is_no_bundle(folder, tmp_path):
    precious = tmp_path / "x.zip"
    with zipfile.ZipFile(precious, "w") as opened:
        opened.writestr("thesis.tex", b"precious")
    for path in (precious, folder):
        with pytest.raises(InputError, match="is not the zip of a bundle"):
            pack(folder, "android", path)
    assert names_in(precious) == ["thesis.tex"]
    pack(folder, "android", tmp_path / "y.zip")
    pack(folder, "ios", tmp_path / "y.zip")
    assert verify(tmp_path / "y.zip").platform == "ios"


def zip_as(path: Path, root: str, content: dict[str, object], *names: str) -> Path:
    """Writes a zip that holds a manifest of one's own, and empty files."""
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr(f"{root}manifest.json", json.dumps(content))
        for name in names:
            opened.writestr(f"{root}{name}", b"precious")
    return path


OURS = {"pocketbert_version": "0.1.0", "platforms": {"android": ["a"]}}


@pytest.mark.parametrize(
    ("root", "content", "names"),
    [
        ("", {"manifest_version": 3, "name": "a browser's extension"}, ("background.js",)),
        ("assets/pocketbert/", {"manifest_version": 3}, ("a",)),
        ("assets/pocketbert/", OURS, ("a", "notes.md")),
        ("assets/pocketbert/", OURS, ("a", "../../notes.md")),
        ("assets/pocketbert/", {"pocketbert_version": "0.1.0"}, ("a",)),
        ("assets/pocketbert/", {**OURS, "platforms": None}, ("a",)),
        ("bundle/", OURS, ("a",)),
    ],
)
def test_write_never_overwrites_a_zip_that_holds_more_or_another_manifest(
    folder, tmp_path, root, content, names
):
    precious = zip_as(tmp_path / "x.zip", root, content, *names)
    before = precious.read_bytes()
    with pytest.raises(InputError, match="is not the zip of a bundle for one platform"):
        pack(folder, "android", precious)
    assert precious.read_bytes() == before


def test_write_never_overwrites_the_zip_of_a_whole_bundle(folder, tmp_path):
    """Not that which it is made from, either."""
    whole = zip_of(folder.rename(tmp_path / "pocketbert"))
    before = whole.read_bytes()
    with pytest.raises(InputError, match="is not the zip of a bundle for one platform"):
        pack(whole, "android", whole)
    assert whole.read_bytes() == before


def test_write_to_the_longest_name_that_the_system_takes(folder, tmp_path):
    destination = tmp_path / f"{'x' * 251}.zip"
    pack(folder, "android", destination)
    assert verify(pack(folder, "android", destination)).problems == ()


def test_files_by_platform_leaves_out_a_platform_that_no_artifact_is_for():
    listed = dict.fromkeys(FILES, "0" * 64)
    assert list(files_by_platform(PARTS[1:2], listed)) == ["android"]
    assert list(files_by_platform(PARTS[:1], listed)) == ["android", "ios"]
    assert files_by_platform((), listed) == {}


def test_manifest_names_the_files_of_each_platform(folder):
    content = json.loads((folder / "manifest.json").read_bytes())
    assert "executorch/model.pte" in content["platforms"]["ios"]
    assert "tflite/model.tflite" not in content["platforms"]["ios"]
    assert not {"report.html", "parity.json"} & set(content["platforms"]["android"])
