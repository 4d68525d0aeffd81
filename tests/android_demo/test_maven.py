"""``mvn -B test`` over the Android demo, with all vectors and a bundle that was just built."""

import shutil
from pathlib import Path

import pytest

from tests.android_demo import artifact_logits, maven
from tests.platform_bundles import AppBundle

MUST_RUN = {
    "VectorsTest: every text gives the ids and offsets of the tokenizers library(String)[1]",
    "VectorsTest: every text gives the ids and offsets of the tokenizers library(String)[2]",
    "VectorsTest: every text gives the ids and offsets of the tokenizers library(String)[3]",
    "VectorsTest: every question gives the windows and the answer of the student in PyTorch",
    "TextClassificationTest: every text gives the rows and the labels of Python",
    "TextClassificationTest: every bundle of Python has its own answers here",
    "WholePathTest: the logits of each artifact give the answers of Python",
    "SelfTestTest: a good bundle has no problem",
    "OpenBundleTest: a good bundle opens, with its key and without",
    "TokenizerPropertiesTest: spans ascend, lie inside the text and cut no pair",
}
"""Of core."""
MODULES = {"core", "engines", "ui", "app"}
"""Those that have tests."""


@pytest.fixture(scope="module")
def mvn() -> None:
    if reason := maven.why_absent():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def assets(
    mvn: None,
    app_bundle: AppBundle,
    asked: list[artifact_logits.Asked],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with ``bundle/``, as it lies in an app's assets, its key, and its answers here."""
    folder = tmp_path_factory.mktemp("android")
    (folder / "public-key.bin").write_bytes(app_bundle.public_key)
    shutil.copytree(app_bundle.apps["android"], folder / "bundle")
    artifact_logits.write(app_bundle.whole, asked, folder / "artifact-logits.json")
    return folder


@pytest.fixture(scope="module")
def classifiers(
    mvn: None, app_classifiers: dict[str, AppBundle], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder of small classifiers' bundles."""
    folder = tmp_path_factory.mktemp("android-classifiers")
    for name, built in app_classifiers.items():
        shutil.copytree(built.apps["android"], folder / name)
    return folder


PACKAGING_MUST_RUN = {
    "MergedManifestTest: the app asks for no permission, and has the listed components alone",
    "ShrunkTest: what R8 leaves reads texts, keeps what natives look up, and is DEX for Android 8",
}


def test_every_module_passes_with_all_vectors_and_bundles_just_built(vectors, assets, classifiers):
    finished = maven.run_tests(
        {
            "pocketbert.vectors": vectors,
            "pocketbert.bundle": assets / "bundle",
            "pocketbert.classifiers": classifiers,
            "pocketbert.logits": assets / "artifact-logits.json",
        },
        timeout=1800,
    )
    if finished.why_offline:
        pytest.skip(finished.why_offline)
    assert not finished.problems, finished.problems
    assert finished.code == 0, finished.output[-6000:]
    assert {case.module for case in finished.cases} >= MODULES
    assert {case.test for case in finished.cases if case.module == "core"} >= MUST_RUN


@pytest.mark.soak
def test_androids_own_tools_merge_the_manifest_and_shrink_what_reads_texts(mvn):
    finished = maven.run_tests({}, timeout=1800, profile="packaging")
    if reason := finished.why_offline or finished.why_unserved:
        pytest.skip(reason)
    assert not finished.problems, finished.problems
    assert finished.code == 0, finished.output[-6000:]
    passed = {case.test for case in finished.cases if case.module == "packaging"}
    assert passed >= PACKAGING_MUST_RUN


def test_android_tools_that_are_nowhere_leave_the_other_modules_tests_alone():
    said = (
        "[INFO] core .................... SUCCESS [  1.0 s]\n"
        "[INFO] packaging ............... FAILURE [  0.1 s]\n"
        "[ERROR] Failed to execute goal on project packaging: Could not resolve dependencies for "
        "project org.pocketbert:packaging:jar:1.0: Could not transfer artifact a:b:pom:1\n"
    )
    passed = maven.Case(module="core", test="ATest: passes", problem="")
    finished = maven.Finished(code=1, output=said, cases=(passed,))
    assert "Could not transfer" in finished.why_unserved
    assert finished.why_offline == ""
    assert finished.failed_modules == {"packaging"}
    broken = "[INFO] packaging ... FAILURE [\n[ERROR] on project packaging: Compilation failure\n"
    assert maven.Finished(code=1, output=broken, cases=(passed,)).why_unserved == ""


@pytest.mark.parametrize(
    "said",
    [
        "Failed to execute goal on project core: Could not resolve dependencies for project: Could "
        "not transfer artifact org.x:y:pom:1.82 from/to central: transfer failed: Unknown host",
        "Non-resolvable import POM: Cannot access central in offline mode and the artifact "
        "org.x:y:pom:2.2.21 has not been downloaded from it before. @ line 39, column 19",
        "Failed to execute goal: org.x:y:pom:1 failed to transfer from central during a previous "
        "attempt. This failure was cached in the local repository",
    ],
)
def test_maven_without_network_is_told(said):
    passed = maven.Case(module="core", test="ATest: passes", problem="")
    output = f"[WARNING] else\n[ERROR] {said}\n[ERROR] \n"
    for cases in ((), (passed,)):
        assert said in maven.Finished(code=1, output=output, cases=cases).why_offline
    failed = maven.Case(module="core", test="ATest: fails", problem="failure: expected 1")
    finished = maven.Finished(code=1, output=output, cases=(passed, failed))
    assert finished.why_offline == ""
    assert finished.problems == "core: ATest: fails\nfailure: expected 1"


@pytest.mark.parametrize(
    "said",
    [
        "[ERROR] COMPILATION ERROR",
        "[ERROR] Could not find artifact org.x:y:jar:0 in central",
        "[WARNING] Could not transfer metadata org.x:y from/to central\n[ERROR] COMPILATION ERROR",
    ],
)
def test_a_mistake_is_not_taken_for_a_network_that_is_absent(said):
    assert maven.Finished(code=1, output=said, cases=()).why_offline == ""


def test_a_machine_without_maven_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert maven.why_absent() == "mvn is not installed"
    command = tmp_path / "mvn"
    for java, reason in (("11.0.2", "mvn finds no JDK of version 17 or later"), ("21", "")):
        command.write_text(f"#!/bin/sh\necho 'Java version: {java}, vendor: Any'\n")
        command.chmod(0o755)
        assert maven.why_absent() == reason
