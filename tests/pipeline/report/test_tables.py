"""Tables and lines for people: each figure in its column, unit and number."""

import math

import pytest
from rich.console import Console, RenderableType

from converters.values.artifact import Inspection, StoredTensor
from pipeline.comparison.coreml_package.verdict import OutputParity, PackageParity
from pipeline.comparison.localize import BlockError, Localization
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.scores import Worth
from pipeline.comparison.verdict import Parity
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.search import Step
from pipeline.report import tables
from pipeline.student.trim import Trimming
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.task import Unreadable

TASK = QuestionAnswering()


def shown(*parts: RenderableType) -> list[list[str]]:
    """Returns the words of each line that is not empty."""
    console = Console(width=250, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(*parts, sep="\n")
    lines = [line.split() for line in capture.get().splitlines()]
    return [line for line in lines if any(word.strip("─") for word in line)]


def make_parity(**fields: object) -> Parity:
    stated = {
        "backend": "tflite", "runtime": "litert", "precision": "int8", "seq_len": 64,
        "verdict": "pass", "task": TASK, "gates": (), "reason": "",
    }  # fmt: skip
    return Parity(**{**stated, **fields})


def test_parity_table_has_each_figure_in_its_unit() -> None:
    parity = make_parity(
        max_abs_diff=0.0123, snr_db=41.26, answer_agreement=0.975, num_inputs=40,
        worth=Worth(drop=1.255),
    )  # fmt: skip
    _, row = shown(tables.parity_table([parity], {"tflite": 12_340_000}))
    assert " ".join(row) == "litert int8 64 12.3 0.012 41.3 97.5 % of 40 1.25 PASS"


@pytest.mark.parametrize(("num_near_ties", "told"), [
    (0, "100.0 % of 9"), (1, "100.0 % of 9, 1 near tie"), (2, "100.0 % of 9, 2 near ties"),
])  # fmt: skip
def test_parity_table_counts_near_ties(num_near_ties: int, told: str) -> None:
    parity = make_parity(answer_agreement=1.0, num_inputs=9, num_near_ties=num_near_ties)
    _, row = shown(tables.parity_table([parity], {"tflite": 1}))
    assert " ".join(row) == f"litert int8 64 0.0 - - {told} - PASS"


def test_parity_table_has_a_dash_for_what_was_not_measured_and_the_reason() -> None:
    failed = make_parity(verdict="fail", reason="run [litert] crashed")
    _, row = shown(tables.parity_table([failed], {"tflite": 1}))
    assert " ".join(row) == "litert int8 64 0.0 - - - - FAIL run [litert] crashed"


@pytest.mark.parametrize(("value", "told"), [
    (math.nan, "-"), (math.inf, "exact"), (-math.inf, "-inf"), (0.0, "0.0"), (2.26, "2.3"),
])  # fmt: skip
def test_number_that_is_not_finite_is_told_in_words(value: float, told: str) -> None:
    assert tables.number(value, "{:.1f}") == told


@pytest.mark.parametrize(("count", "start", "end"), [
    (1, "1 question could not be asked, left out", "q0 (too [long])"),
    (10, "10 questions could not be asked, left out", "q9 (too [long])"),
    (12, "12 questions could not be asked, left out", "and 2 more, which --json names"),
])  # fmt: skip
def test_unreadable_names_the_first_ten_and_counts_the_rest(
    count: int, start: str, end: str
) -> None:
    examples = [Unreadable(id=f"q{number}", reason="too [long]") for number in range(count)]
    ((*words,),) = shown(*tables.unreadable(examples, "left out", task=TASK))
    told = " ".join(words)
    assert told.startswith(f"{start}: q0 (too [long])")
    assert told.endswith(end)
    assert told.count("too [long]") == min(count, tables.NUM_NAMED)
    assert tables.unreadable([], "left out", task=TASK) == []


def test_remarks_tell_what_was_emulated_of_what_ran_and_every_skip() -> None:
    skipped = [Skipped(runtime="coreml", reason="it exists on [darwin] only")]
    said = shown(*tables.remarks(["litert", "coreml-reference"], skipped))
    assert [line[0] for line in said] == ["coreml-reference", "SKIPPED"]
    assert " ".join(said[1]) == "SKIPPED coreml: it exists on [darwin] only"
    assert tables.remarks(["litert"], []) == []


def test_localization_names_the_first_block_that_is_wrong() -> None:
    blocks = tuple(
        BlockError(name=name, snr_db=snr_db, local_snr_db=local, verdict=verdict)
        for name, snr_db, local, verdict in (
            ("embeddings", math.inf, 61.5, "pass"), ("layer.0", 30.0, 12.25, "fail"),
        )
    )  # fmt: skip
    found = Localization(
        backend="tflite", runtime="litert", precision="int8", seq_len=64,
        first_block="layer.0", tolerance_db=45.0, blocks=blocks,
    )  # fmt: skip
    lines = [" ".join(line) for line in shown(*tables.localization(found))]
    assert lines[0] == "litert int8, 64 tokens"
    assert lines[2:4] == ["embeddings exact 61.5 PASS", "layer.0 30.0 12.2 FAIL"]
    assert lines[4] == (
        "FAIL the first block that is wrong is layer.0: below 45 dB by itself"
    )  # fmt: skip


def test_frontier_table_marks_the_chosen_recipe_and_leaves_open_what_was_not_asked() -> None:
    common = {"recipe": recipe_of("int8"), "score": TASK.BUDGETED}
    steps = [
        Step(change="", size_bytes=4_560_000, snr_db=12.34, **common),
        Step(change="head in int8", size_bytes=5_000_000, snr_db=20.0, score_drop=0.456,
             is_chosen=True, **common),
    ]  # fmt: skip
    header, *rows = shown(tables.frontier_table(steps))
    assert "F1 lost" in " ".join(header)
    assert [" ".join(row) for row in rows] == [
        "the smallest 4.56 12.3", "head in int8 5.00 20.0 0.46 chosen",
    ]  # fmt: skip


def test_inspection_tells_what_is_left_in_floating_point_and_what_is_delegated() -> None:
    tensors = (StoredTensor(name="words", dtype="int8", size_bytes=6_000_000),
               StoredTensor(name="norm", dtype="float32", size_bytes=2_000_000),
               StoredTensor(name="bias", dtype="float32", size_bytes=500_000))  # fmt: skip
    found = Inspection(
        size_bytes=9_000_000, num_ops=200, num_delegated_ops=150, num_macs=3_000_000,
        num_delegated_macs=2_700_000, tensors=tensors,
    )  # fmt: skip
    lines = [" ".join(line) for line in shown(*tables.inspection("a [b].tflite", found))]
    assert lines[:5] == [
        "a [b].tflite 9.00 MB",
        "constants: float32 2.50 MB, int8 6.00 MB",
        "in floating point: 2.50 MB besides scales, the largest norm (float32, 2.00 MB)",
        "operators: 200, 75.0% delegated",
        "arithmetic: 3.0 million multiply-adds at the longest length, 90.0% delegated",
    ]


def test_trimming_tells_bytes_at_one_and_at_four_a_weight() -> None:
    saved = Trimming(num_pieces=1_000, num_pieces_before=30_522, num_weights_saved=11_000_000)
    assert tables.trimming(saved) == (
        "vocabulary: 1,000 of 30,522 pieces kept, which saves 11.0 MB in int8 and 44.0 MB in fp32"
    )


def test_package_parity_has_a_row_for_each_output_with_its_own_figures() -> None:
    outputs = tuple(
        OutputParity(
            name=name, verdict=verdict, max_abs_diff=0.5, mean_abs_diff=0.25, relative_error=0.1,
            cosine=0.99, snr_db=snr_db, num_near_ties=ties,
        )
        for name, verdict, snr_db, ties in (("a", "pass", 50.0, 3), ("b", "fail", 10.0, 0))
    )  # fmt: skip
    parity = PackageParity(
        runtime="coreml-reference", precision="fp16", verdict="fail", max_abs_diff=0.5,
        cosine=0.99, snr_db=10.0, num_inputs=1, gates=(), reason="b is bad", outputs=outputs,
        function="main",
    )  # fmt: skip
    _, *rows = shown(tables.package_parity([parity]))
    assert [" ".join(row) for row in rows] == [
        "coreml-reference fp16 main: a 0.5 0.25 0.1 0.990000 50.0 PASS 3 near ties",
        "coreml-reference fp16 main: b 0.5 0.25 0.1 0.990000 10.0 FAIL b is bad",
    ]
