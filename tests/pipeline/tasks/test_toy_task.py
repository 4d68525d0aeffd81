"""A second task goes all the way, and nothing but its own two files knows of it.

``toy_task`` and ``toy_on_device`` are all that there is of it, and a row in the table of tasks.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from converters import backends
from pipeline import tasks
from pipeline.build import BuildResult, build
from pipeline.bundle.manifest import read_manifest
from pipeline.bundle.open import open_bundle
from pipeline.conversion.recipe import recipe_of
from pipeline.evaluate import evaluate
from pipeline.parity import BundleParity, check_bundle
from pipeline.verify import verify
from tests.bundles import restate
from tests.pipeline.tasks.toy_task import RULES, MoodTask
from tests.runs import quiet_run
from tests.students import VOCABULARY_SIZE, read_tokenizer, save_tokenizer

LABELS = ("bad", "so-so", "good")
SEQ_LENS = (16, 32)


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "TASKS", (MoodTask, *tasks.TASKS))
        yield


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder of two layers with a head of three numbers a row."""
    folder = tmp_path_factory.mktemp("mood") / "student"
    config = DistilBertConfig(
        vocab_size=VOCABULARY_SIZE, max_position_embeddings=64, dim=32, n_layers=2, n_heads=4,
        hidden_dim=64, initializer_range=0.2, id2label=dict(enumerate(LABELS)),
        label2id={label: place for place, label in enumerate(LABELS)},
    )  # fmt: skip
    torch.manual_seed(0)
    DistilBertForSequenceClassification(config).eval().save_pretrained(folder)
    save_tokenizer(read_tokenizer(), folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mood") / "data.jsonl"
    examples = MoodTask(labels=LABELS).own_examples()
    path.write_text("".join(json.dumps(vars(each)) + "\n" for each in examples))
    return path


@pytest.fixture(scope="module")
def built(student: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return build(
        str(student), destination=tmp_path_factory.mktemp("mood") / "bundle", examples=data,
        recipe=recipe_of("fp32"), seq_lens=SEQ_LENS, run=quiet_run(2),
    )  # fmt: skip


@pytest.fixture(scope="module")
def compared(built: BuildResult) -> BundleParity:
    with open_bundle(built.folder) as opened:
        return check_bundle(opened, with_blocks=True, run=quiet_run(2))


def test_build_makes_all_three_artifacts_and_each_passes(built: BuildResult) -> None:
    assert {each.backend for each in built.artifacts} == set(backends.BACKENDS)
    assert built.passed, [each.reason for each in built.parity]
    for each in built.parity:
        fields = each.to_json()
        assert fields["same_mood"] == 1.0
        assert fields["accuracy_drop"] == 0.0
        assert fields["num_inputs"] == 6
        assert {"text", "reference", "answer"} <= fields["worst"][0].keys()
        hard = {gate["name"]: gate["verdict"] for gate in fields["gates"]}
        assert hard["hard_rows"] == hard["padding_invariance"] == "pass"


def test_bundle_states_the_task_with_its_rules_and_labels(built: BuildResult) -> None:
    task = read_manifest(built.folder).task
    assert (task.name, task.labels) == ("mood", LABELS)
    assert task.rules == RULES.model_dump()
    first = json.loads((built.folder / "vectors.json").read_bytes())["examples"][0]
    assert first["texts"].keys() == {"text"}
    assert len(first["rows"][0]["outputs"]["logits"]) == 3
    assert first["answer"].keys() == {"label", "value"}


def test_report_shows_the_tasks_own_figures(built: BuildResult) -> None:
    page = (built.folder / "report.html").read_text()
    assert "accuracy lost" in page
    assert "same mood" in page


def test_parity_passes_and_no_block_is_wrong(compared: BundleParity) -> None:
    assert compared.passed
    assert compared.localization
    for each in compared.localization:
        assert each.blocks[-1].name == "head"
        assert each.blocks[-1].verdict == "pass"


def test_eval_scores_every_runtime_alike(built: BuildResult, data: Path) -> None:
    found = evaluate(
        str(built.folder), data=data, limit=None, named_reference=None, run=quiet_run(2)
    )
    assert len(found.scores) > 3
    assert {json.dumps(each.to_json()) for each in found.scores.values()} == {
        json.dumps(found.scores["pytorch"].to_json())
    }
    assert found.scores["pytorch"].to_json().keys() == {"accuracy", "count"}


def test_self_test_passes_in_every_runtime(built: BuildResult) -> None:
    found = verify(built.folder, with_vectors=True, run=quiet_run(2))
    assert found.passed, found.to_json()["problems"]
    assert len(found.to_json()["tested"]) > 2


def test_rule_out_of_its_bounds_is_named_by_verify(built: BuildResult, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(built.folder, tmp_path / "bundle"))
    part = read_manifest(folder).task.model_copy(update={"rules": {"max_tokens": 0}})
    restate(folder, task=part)
    (problem,) = verify(folder, run=quiet_run()).files.problems
    assert problem.path == "manifest.json"
    assert "task.rules.max_tokens" in problem.problem
