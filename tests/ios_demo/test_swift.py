"""Swift's tests of the iOS demo, with all vectors and a bundle that was just built."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.bundle import vectors as bundle_vectors
from tests.android_demo import artifact_logits
from tests.android_demo.artifact_logits import IOS, Asked
from tests.ios_demo import swift
from tests.platform_bundles import AppBundle

MUST_PASS = {
    "every text gives the ids and offsets of the tokenizers library",
    "every question gives the windows and the answer of the student in PyTorch",
    "the logits of each artifact give the answers of Python",
    "a good bundle opens, with its key and without",
    "a manifest with another byte is refused, wherever it is",
    "a good bundle has no problem",
    "spans ascend and lie inside the text",
}


@pytest.fixture(scope="module")
def swift_here() -> None:
    if reason := swift.why_absent():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def fixture(
    swift_here: None,
    vectors: Path,
    app_bundle: AppBundle,
    asked: list[Asked],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with ``bundle/``, as it lies in the app, its key, its answers here, and vectors."""
    made = tmp_path_factory.mktemp("ios")
    (made / "public-key.bin").write_bytes(app_bundle.public_key)
    shutil.copytree(app_bundle.apps["ios"], made / "bundle")
    (made / "vectors").symlink_to(vectors, target_is_directory=True)
    stated = bundle_vectors.read(made / "bundle" / "vectors.json")
    tested = [Asked(**each.texts, seq_lens=stated.seq_lens) for each in stated.examples]
    artifact_logits.write(
        app_bundle.whole, [*asked, *tested], made / "artifact-logits.json", names=IOS
    )
    return made


@pytest.fixture(scope="module")
def built(swift_here: None) -> None:
    finished = swift.run("swift", "build", "--build-tests", "-j", "1")
    assert finished.code == 0, finished.problems


def test_sources_are_formatted(swift_here):
    finished = swift.run(
        "swift", "format", "lint", "--strict", "--recursive", "App", "Declarations", "Sources",
        "Tests", "Package.swift",
    )  # fmt: skip
    assert finished.code == 0, finished.stderr


def test_package_passes_its_tests_with_all_vectors_and_a_bundle_just_built(built, fixture):
    finished = swift.run(
        "swift", "test", "--skip-build", environment={"POCKETBERT_FIXTURE": str(fixture)}
    )
    assert finished.code == 0, finished.problems
    assert finished.passed >= MUST_PASS


def test_swift_answers_as_python_does_from_the_logits_of_both_artifacts(built, fixture):
    finished = check(fixture / "bundle", fixture, "--logits", str(fixture / "artifact-logits.json"))
    assert finished.code == 0, finished.problems
    assert finished.stderr.count("PASS") == 3, finished.stderr  # texts, and the two artifacts
    runs = json.loads((fixture / "artifact-logits.json").read_bytes())["runs"]
    assert {run["artifact"].split("/")[0] for run in runs} == {"coreml", "executorch"}
    stated = [{**each, "artifact": run["artifact"]} for run in runs for each in run["answers"]]
    found = list(map(json.loads, finished.stdout.splitlines()))
    assert len(found) == len(stated) > 100
    for own, expected in zip(found, stated, strict=True):
        assert own["artifact"] == expected["artifact"]
        assert_same(own, expected)


def test_swift_refuses_what_was_changed(built, fixture, tmp_path):
    folder = Path(shutil.copytree(fixture / "bundle", tmp_path / "bundle"))
    assert check(folder, fixture, "--logits", "absent").code == 2
    weights = next(folder.rglob("weight.bin"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    finished = check(folder, fixture)
    assert finished.code == 1
    assert f"{weights.relative_to(folder).as_posix()} was changed" in finished.stderr
    (folder / "manifest.json").unlink()
    assert check(folder, fixture).code == 2


def test_logits_of_another_model_do_not_pass_for_its_own(built, fixture, tmp_path):
    content = json.loads((fixture / "artifact-logits.json").read_bytes())
    for run in content["runs"]:
        for answer in run["answers"]:
            for window in answer["windows"]:
                window["start_logits"] = [logit + 5.0 for logit in window["start_logits"]]
    other = tmp_path / "logits.json"
    other.write_text(json.dumps(content))
    finished = check(fixture / "bundle", fixture, "--logits", str(other))
    assert finished.code == 1
    assert finished.stderr.count("FAIL") == 2


@pytest.mark.soak
def test_thread_sanitizer_finds_nothing(swift_here, tmp_path):
    finished = swift.run(
        "swift", "test", "-j", "1", "--sanitize", "thread", "--scratch-path", str(tmp_path),
        "--filter", "PocketBERTUITests|PocketBERTEnginesTests",
    )  # fmt: skip
    assert finished.code == 0, finished.problems
    assert "ThreadSanitizer" not in finished.stdout + finished.stderr


def test_a_machine_without_swift_says_so(tmp_path):
    for name in ("bash", "sed"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        (str(tmp_path / "bash"), str(swift.SCRIPT), "true"),
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == swift.ABSENT
    assert "neither swift nor bwrap (package bubblewrap) is installed" in done.stderr


def test_a_swift_on_the_path_is_taken_if_it_is_new_enough(tmp_path):
    command = tmp_path / "swift"
    for version, code in (("5.10.1", swift.ABSENT), ("6.1", 0)):
        command.write_text(f"#!/bin/sh\necho 'Swift version {version} (swift-{version}-RELEASE)'\n")
        command.chmod(0o755)
        for name in ("bash", "sed", "sh", "true"):
            if not (tmp_path / name).exists():
                (tmp_path / name).symlink_to(str(shutil.which(name)))
        done = subprocess.run(
            (str(tmp_path / "bash"), str(swift.SCRIPT), "true"),
            env={**os.environ, "PATH": str(tmp_path)},
            check=False,
        )
        assert done.returncode == code


def check(bundle: Path, fixture: Path, *arguments: str) -> swift.Finished:
    return swift.run(
        ".build/debug/pocketbert-check", str(bundle), "--public-key",
        str(fixture / "public-key.bin"), *arguments,
    )  # fmt: skip


def assert_same(own: dict[str, Any], expected: dict[str, Any]) -> None:
    """Swift counts code points here, Python wrote UTF-16 units."""
    answer = expected["answer"]
    context = expected["context"]
    assert own["question"] == expected["question"]
    assert own["text"] == answer["text"] == context[own["start"] : own["end"]]
    before = len(context[: own["start"]].encode("utf-16-le")) // 2
    assert before == answer["utf16_start"]
    assert own["score"] == pytest.approx(answer["score"], abs=1e-9)
