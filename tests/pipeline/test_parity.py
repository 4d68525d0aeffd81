"""What ``pocketbert parity`` makes of a bundle, beyond the verdicts on its artifacts."""

import pytest

from converters.values.errors import InputError
from pipeline.bundle.open import open_bundle
from pipeline.comparison.localize import Localization
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.verdict import Parity
from pipeline.parity import BundleParity, check_bundle
from pipeline.tasks.question_answering import QuestionAnswering
from tests.conftest import BuiltBundle
from tests.runs import quiet_run

LIBRARY = Skipped(
    runtime="task-library",
    reason="the bundle has no file for it: build it with --task-library",
)


def verdict(said: str) -> Parity:
    return Parity(
        backend="tflite", runtime="litert", precision="int8", seq_len=8, verdict=said,
        task=QuestionAnswering(), gates=(), reason="",
    )  # fmt: skip


def blocks(*, first_block: str | None = None, reason: str = "") -> Localization:
    return Localization(
        backend="tflite", runtime="litert", precision="int8", seq_len=8, blocks=(),
        tolerance_db=40.0, first_block=first_block, reason=reason,
    )  # fmt: skip


@pytest.mark.parametrize(("said", "localization", "passed"), [
    (["pass", "pass"], None, True),
    (["pass", "fail"], None, False),
    (["pass"], [blocks()], True),
    (["pass"], [blocks(), blocks(first_block="layer.0")], False),
    (["pass"], [blocks(reason="it crashed")], False),
    (["fail"], [blocks()], False),
])  # fmt: skip
def test_bundle_passes_where_every_artifact_and_every_block_does(
    said: list[str], localization: list[Localization] | None, passed: bool
) -> None:
    found = BundleParity(
        task=QuestionAnswering(), verdicts=tuple(map(verdict, said)), skipped=(), unreadable=(),
        localization=None if localization is None else tuple(localization),
    )  # fmt: skip
    assert found.passed == passed
    assert ("localization" in found.to_json()) == (localization is not None)


def test_task_library_that_the_bundle_has_no_file_for_is_skipped_once(built: BuiltBundle) -> None:
    names = ["litert", "task-library"]
    with open_bundle(built.folder) as opened:
        found = check_bundle(opened, limit=1, names=names, run=quiet_run())
        assert found.skipped == (LIBRARY,)
        assert {each.runtime for each in found.verdicts} == {"litert"}
        assert {each.num_inputs for each in found.verdicts} == {1}
        with pytest.raises(InputError) as caught:
            check_bundle(opened, limit=1, names=["task-library"], run=quiet_run())
    assert caught.value.message == f"nothing could run: task-library: {LIBRARY.reason}"
