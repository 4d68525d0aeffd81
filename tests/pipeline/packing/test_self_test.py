"""The self test finds what is wrong on a phone: tokenizer, windows, decoder or engine."""

import json
from pathlib import Path

import numpy as np
import pytest

from converters.values.errors import InputError
from pipeline.bundle import vectors
from pipeline.bundle.manifest import VECTORS
from pipeline.bundle.open import open_bundle
from pipeline.comparison.runtimes import load_artifact
from pipeline.on_device.question_answering import QuestionAnswering
from pipeline.on_device.question_answering.rules import SpanRules
from pipeline.on_device.self_test import SelfTest
from pipeline.on_device.wordpiece import open_tokenizer
from pipeline.packing import self_test
from pipeline.packing.self_test import _inputs
from tests.bundles import restate
from tests.command import pocketbert
from tests.runs import quiet_run

PATH = "tflite/model.tflite"


@pytest.fixture(scope="module")
def test_of_built(built) -> SelfTest:
    return make_test(built.folder)


def make_test(folder: Path, **changes) -> SelfTest:
    with open_bundle(folder) as opened:
        manifest = opened.manifest
    settings = manifest.tokenizer.model_copy(update=changes)
    return SelfTest(
        vectors.read(folder / VECTORS),
        open_tokenizer(folder, settings),
        settings=settings,
        task=QuestionAnswering(manifest.read_rules(SpanRules)),
    )


@pytest.fixture(scope="module")
def engine(built):
    """The real one: LiteRT with the bundle's artifact."""
    with open_bundle(built.folder) as opened:
        (artifact,) = opened.artifacts
    runner = load_artifact(artifact=artifact, runtime="litert", num_threads=1)

    def answer(window):
        return {name: logits[0] for name, logits in runner.run(_inputs(window, artifact)).items()}

    return answer


def test_reading_of_a_good_bundle_has_no_problem(test_of_built):
    assert test_of_built.check_reading() == []


@pytest.mark.parametrize(
    "change",
    [
        {"lowercase": False}, {"strip_accents": False}, {"handle_chinese_chars": False},
        {"clean_text": False}, {"max_input_chars_per_word": 200}, {"added_tokens": {}},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_tokenizer_with_any_other_setting_is_found(built, change):
    problems = make_test(built.folder, **change).check_reading()
    assert any("has other tokens" in problem for problem in problems)


def change_first(test: SelfTest, **changes) -> SelfTest:
    """Returns the test with something else stated of the first question."""
    first, *rest = test._vectors.examples
    changed = first.model_copy(update=changes)
    stated = test._vectors.model_copy(update={"examples": (changed, *rest)})
    return SelfTest(stated, test._tokenizer, settings=test._settings, task=test._task)


def test_other_rows_are_found(test_of_built):
    window, *rest = test_of_built._vectors.examples[0].rows
    for change in (
        {"input_ids": (*window.input_ids[:-1], 5)},
        {"seq_len": 64 + 32 - window.seq_len},
        {"offsets": window.offsets[1:]},
    ):
        changed = window.model_copy(update=change)
        (problem,) = change_first(test_of_built, rows=(changed, *rest)).check_reading()
        assert "has other rows" in problem


def test_other_answer_of_the_stated_logits_is_found(test_of_built):
    answer = test_of_built._vectors.examples[0].answer
    for change in (
        {"start": answer["start"] + 1}, {"utf16_end": answer["utf16_end"] + 1},
        {"text": "other"}, {"score": answer["score"] + 0.01},
    ):  # fmt: skip
        (problem,) = change_first(test_of_built, answer={**answer, **change}).check_reading()
        assert "have another answer" in problem


def test_good_engine_has_no_problem(test_of_built, engine):
    found = test_of_built.check_engine(PATH, in_lists(engine))
    assert found.problems == ()
    assert found.num_same == found.num_asked == len(test_of_built._vectors.examples)
    assert found.max_abs_diff <= test_of_built._vectors.tolerances[PATH]


def in_lists(engine):
    """Returns an engine that gives lists, as an app's does."""
    return lambda window: {name: values.tolist() for name, values in engine(window).items()}


def swap(logits):
    return {"start_logits": logits["end_logits"], "end_logits": logits["start_logits"]}


@pytest.mark.parametrize(
    "damage",
    [
        swap,
        lambda logits: {name: values + 0.01 for name, values in logits.items()},
        lambda logits: {name: np.roll(values, 1) for name, values in logits.items()},
        lambda logits: {name: values * np.nan for name, values in logits.items()},
        lambda logits: {name: np.zeros_like(values) for name, values in logits.items()},
    ],
    ids=["swapped", "a little off", "shifted", "nan", "zeros"],
)
def test_wrong_engine_is_found(test_of_built, engine, damage):
    found = test_of_built.check_engine(PATH, in_lists(lambda window: damage(engine(window))))
    assert any("the tolerance is" in problem for problem in found.problems)
    assert len(found.problems) >= found.num_asked


def test_engine_that_is_known_to_answer_otherwise_is_not_asked(test_of_built, engine):
    test = change_first(test_of_built, other_answer_in=(PATH,))
    found = test.check_engine(PATH, in_lists(engine))
    assert found.problems == ()
    assert found.num_asked == len(test._vectors.examples) - 1


def test_run_tests_the_artifact_in_every_runtime(built):
    with open_bundle(built.folder) as opened:
        found = self_test.run(opened, run=quiet_run(2))
    assert found.problems == ()
    assert [each.runtime for each in found.done] == ["litert", "tensorflow"]
    assert {each.found.num_same for each in found.done} == {7}  # six questions, and the long one


def test_run_of_a_bundle_whose_manifest_names_the_outputs_wrongly_is_told(bundle_copy):
    with open_bundle(bundle_copy) as opened:
        (artifact,) = opened.manifest.artifacts
    start, end = artifact.outputs
    swapped = (
        start.model_copy(update={"artifact_name": end.artifact_name}),
        end.model_copy(update={"artifact_name": start.artifact_name}),
    )
    restate(bundle_copy, artifacts=(artifact.model_copy(update={"outputs": swapped}),))
    with open_bundle(bundle_copy) as opened:
        found = self_test.run(opened, names=["litert"], run=quiet_run())
    assert {problem.path for problem in found.problems} == {PATH}
    assert found.done[0].found.problems


@pytest.mark.parametrize("names", [("len_32", "len_46"), ("len_64", "len_32")])
def test_bundle_whose_manifest_names_the_entry_points_wrongly_is_told(bundle_copy, built, names):
    with open_bundle(bundle_copy) as opened:
        (artifact,) = opened.manifest.artifacts
    restate(bundle_copy, artifacts=(artifact.model_copy(update={"entry_points": names}),))
    with open_bundle(bundle_copy) as opened:
        found = self_test.run(opened, run=quiet_run())
    assert [problem.path for problem in found.problems] == [PATH, PATH]  # LiteRT and TensorFlow
    finished = pocketbert("parity", bundle_copy, "--limit", "1", "--json")
    assert finished.code == 1
    assert {each["verdict"] for each in finished.json["parity"]} == {"fail"}


def test_run_of_an_artifact_that_cannot_be_loaded_is_told(bundle_copy):
    (bundle_copy / PATH).write_bytes(b"no model")
    restate(bundle_copy)
    with open_bundle(bundle_copy) as opened:
        found = self_test.run(opened, names=["litert"], run=quiet_run())
    (problem,) = found.problems
    assert problem.path == PATH
    assert "litert cannot load" in problem.problem


def test_run_of_other_vectors_is_told_before_an_engine_is_asked(bundle_copy):
    path = bundle_copy / VECTORS
    content = json.loads(path.read_bytes())
    content["texts"][0]["ids"][0] += 1
    path.write_text(json.dumps(content))
    restate(bundle_copy)
    with open_bundle(bundle_copy) as opened:
        found = self_test.run(opened, run=quiet_run())
    assert found.done == ()
    assert [problem.path for problem in found.problems] == [VECTORS]


def test_run_in_a_runtime_that_the_bundle_is_not_for_is_refused(built):
    with (
        open_bundle(built.folder) as opened,
        pytest.raises(InputError, match="has no coreml artifact"),
    ):
        self_test.run(
            opened,
            names=["coreml-reference"],
            run=quiet_run(),
        )


def test_verify_vectors_runs_the_self_test(built):
    finished = pocketbert("verify", built.folder, "--vectors", "--runtime", "litert", "--json")
    assert finished.code == 0, finished.stderr
    said = json.loads(finished.stdout)
    assert (said["ok"], said["problems"], said["signature"]) == (True, [], "none")
    (tested,) = said["tested"]
    assert tested["runtime"] == "litert"
    assert tested["max_abs_diff"] <= tested["tolerance"]


def test_verify_vectors_that_fail_end_with_exit_code_1(bundle_copy):
    path = bundle_copy / VECTORS
    path.write_bytes(path.read_bytes().replace(b'"start":', b'"start":1', 1))
    restate(bundle_copy)
    finished = pocketbert("verify", bundle_copy, "--vectors", "--json")
    assert finished.code == 1
    assert [each["path"] for each in json.loads(finished.stdout)["problems"]] == [VECTORS]


def test_platform_bundle_runs_the_self_test_and_answers(built, tmp_path):
    archive = tmp_path / "android.zip"
    finished = pocketbert("bundle", built.folder, "--platform", "android", "-o", archive, "--json")
    assert finished.code == 0, finished.stderr
    said = json.loads(finished.stdout)
    assert said["size_bytes"] == archive.stat().st_size
    assert sum(part["packed_bytes"] for part in said["parts"]) < said["size_bytes"]
    finished = pocketbert("verify", archive, "--vectors", "--runtime", "litert", "--json")
    assert (finished.code, json.loads(finished.stdout)["platform"]) == (0, "android")
    asked = ["-q", "How tall is it?", "-c", "The tower is 41 metres tall.", "--json"]
    of_zip, of_folder = (
        json.loads(pocketbert("ask", bundle, *asked, "--runtime", "litert").stdout)["answers"]
        for bundle in (archive, built.folder)
    )
    assert [replace_time(each) for each in of_zip] == [replace_time(each) for each in of_folder]


def replace_time(answer: dict) -> dict:
    return answer | {"latency_ms": 0}


def test_bundle_of_a_damaged_bundle_is_refused(bundle_copy, tmp_path):
    with (bundle_copy / PATH).open("ab") as file:
        file.write(b"x")
    finished = pocketbert("bundle", bundle_copy, "--platform", "android", "-o", tmp_path / "x.zip")
    assert finished.code == 1
    assert f"is damaged: {PATH}: changed" in finished.stderr
    assert not (tmp_path / "x.zip").exists()


def test_bundle_for_an_unknown_platform_is_refused(built, tmp_path):
    finished = pocketbert("bundle", built.folder, "--platform", "amiga", "-o", tmp_path / "x.zip")
    assert finished.code == 2
    assert "choose from android, ios" in finished.stderr
