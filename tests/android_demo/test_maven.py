"""``mvn -B test`` over the Android demo, with all vectors and a bundle that was just built."""

import json
from pathlib import Path

import pytest

from tests.android_demo import artifact_logits, classifier_bundles, maven
from tests.android_demo.artifact_logits import Asked
from tests.android_demo.make_fixture import ASSETS, build_for_android
from tests.platform_bundles import save_small_student, write_questions

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
def asked(mvn: None, vectors: Path) -> list[Asked]:
    """The questions of the vectors."""
    answers = json.loads((vectors / "uncased" / "answers.json").read_bytes())["answers"]
    return [
        Asked(question=each["question"], context=each["context"], seq_lens=tuple(each["seq_lens"]))
        for each in answers
    ]


@pytest.fixture(scope="module")
def built_for_android(asked: list[Asked], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``bundle/``, as it lies in an app's assets, its key, and what it answers here.

    Its student is small, and random, and knows all ids of the vectors.
    """
    folder = tmp_path_factory.mktemp("android")
    seq_lens = sorted({length for each in asked for length in each.seq_lens})
    public_key = build_for_android(
        save_small_student(folder / "student"),
        folder,
        seq_lens=seq_lens,
        data=write_questions(folder / "squad.json", num_passages=8, num_each=1),
        options=("--precision", "fp32"),
    )
    (folder / "assets" / "public-key.bin").parent.mkdir()
    (folder / "assets" / "public-key.bin").write_bytes(public_key)
    (folder / "android" / ASSETS).rename(folder / "assets" / "bundle")
    artifact_logits.write(folder / "bundle", asked, folder / "assets" / "artifact-logits.json")
    return folder / "assets"


@pytest.fixture(scope="module")
def built_classifiers(mvn: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small classifiers' bundles."""
    return classifier_bundles.build(tmp_path_factory.mktemp("android-classifiers"))


PACKAGING_MUST_RUN = {
    "MergedManifestTest: the app asks for no permission, and has the listed components alone",
    "ShrunkTest: what R8 leaves reads texts, keeps what natives look up, and is DEX for Android 8",
}


@pytest.fixture(scope="module")
def finished(vectors: Path, built_for_android: Path, built_classifiers: Path) -> maven.Finished:
    """What became of ``mvn test`` over all modules."""
    return maven.run_tests(
        {
            "pocketbert.vectors": vectors,
            "pocketbert.bundle": built_for_android / "bundle",
            "pocketbert.classifiers": built_classifiers,
            "pocketbert.logits": built_for_android / "artifact-logits.json",
        },
        timeout=1800,
    )


def test_every_module_passes_with_all_vectors_and_bundles_just_built(finished):
    if finished.why_offline:
        pytest.skip(finished.why_offline)
    assert not finished.problems, finished.problems
    assert finished.failed_modules <= {"packaging"}, finished.output[-6000:]
    assert finished.code == 0 or finished.failed_modules, finished.output[-6000:]
    assert {case.module for case in finished.cases} >= MODULES
    assert {case.test for case in finished.cases if case.module == "core"} >= MUST_RUN


def test_androids_own_tools_merge_the_manifest_and_shrink_what_reads_texts(finished):
    if reason := finished.why_offline or finished.why_unserved:
        pytest.skip(reason)
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
