"""The rules that a manifest states are checked by the task that they are of."""

import pytest

from pipeline.bundle.manifest import ManifestDamagedError
from pipeline.on_device.question_answering.rules import SpanRules
from tests.bundles import MANIFEST

BOUNDS = [
    ("max_question_tokens", 0, 8192),
    ("max_answer_tokens", 1, 8192),
    ("window_overlap_tokens", 0, 8192),
    ("max_text_characters", 1, 10**7),
    ("max_unknown_share", 0, 1),
]


def manifest_with(version="1.0", **rules):
    stated = {**MANIFEST.task.rules, **rules}
    kept = {name: value for name, value in stated.items() if value is not None}
    part = MANIFEST.task.model_copy(update={"rules": kept})
    return MANIFEST.model_copy(update={"task": part, "schema_version": version})


def test_rules_of_a_manifest_are_those_that_it_states():
    assert MANIFEST.read_rules(SpanRules).model_dump() == MANIFEST.task.rules


@pytest.mark.parametrize(("name", "least", "most"), BOUNDS, ids=str)
def test_rule_out_of_its_bounds_is_refused_by_name(name, least, most):
    for value in (least, most):
        assert getattr(manifest_with(**{name: value}).read_rules(SpanRules), name) == value
    for value in (least - 1, most + 1, 600_000_000, 10**12, -(10**30), "1", True):
        with pytest.raises(ManifestDamagedError, match=rf"valid manifest: task\.rules\.{name}: "):
            manifest_with(**{name: value}).read_rules(SpanRules)


def test_other_way_to_score_is_refused_by_name():
    with pytest.raises(ManifestDamagedError, match=r"task\.rules\.score: "):
        manifest_with(score="guess").read_rules(SpanRules)


@pytest.mark.parametrize("name", SpanRules.model_fields)
def test_missing_rule_is_refused_by_name(name):
    with pytest.raises(ManifestDamagedError, match=rf"task\.rules\.{name}: Field required"):
        manifest_with(**{name: None}).read_rules(SpanRules)


def test_unknown_rule_is_refused_by_name_but_of_a_newer_minor_version_ignored():
    with pytest.raises(ManifestDamagedError, match=r"task\.rules\.rule_of_tomorrow: Extra"):
        manifest_with(rule_of_tomorrow=1).read_rules(SpanRules)
    read = manifest_with("1.7", rule_of_tomorrow=1).read_rules(SpanRules)
    assert read == MANIFEST.read_rules(SpanRules)
