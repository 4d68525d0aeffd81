"""The roofline counts what a hand counts, and holds each contestant against its arithmetic."""

import pytest

from pipeline.benchmark import roofline
from pipeline.benchmark.contest import Row
from pipeline.benchmark.peers import BERT_BASE
from pipeline.benchmark.roofline import Rate, Roof
from pipeline.student.load import Student

SEQ_LEN = 24
RATES = (
    Rate(arithmetic="fp32", library="torch", shape=(2, 2, 2), macs_per_second=1e9),
    Rate(arithmetic="int8", library="torch", shape=(2, 2, 2), macs_per_second=4e9),
)


@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_multiply_adds_are_those_of_a_hand_count(
    students: dict[str, Student], architecture: str
) -> None:
    width, num_layers, num_outputs = 64, 2, 2
    projections = 4 * SEQ_LEN * width * width
    attention = 2 * SEQ_LEN * SEQ_LEN * width
    feed_forward = 2 * SEQ_LEN * width * (2 * width)
    expected = num_layers * (projections + attention + feed_forward) + SEQ_LEN * width * num_outputs
    assert roofline.num_macs(students[architecture], SEQ_LEN) == expected


def test_shapes_are_those_of_the_layers_but_for_the_head(students: dict[str, Student]) -> None:
    assert roofline.shapes(students["distilbert"], SEQ_LEN) == [
        (SEQ_LEN, 64, 64), (SEQ_LEN, 64, 128), (SEQ_LEN, 128, 64), roofline.SQUARE,
    ]  # fmt: skip


def test_torch_measures_both_arithmetics_at_every_shape() -> None:
    shapes = [(16, 64, 64), (16, 64, 128)]
    rates = roofline.measure_library(library="torch", shapes=shapes, num_threads=1)
    assert [(each.shape, each.arithmetic) for each in rates] == [
        (shape, arithmetic) for shape in shapes for arithmetic in ("fp32", "int8")
    ]
    assert all(each.macs_per_second > 1e6 for each in rates)


@pytest.mark.parametrize(
    ("runtime", "precision", "share"),
    [
        ("pytorch", "fp32", 0.5),
        ("litert", "int8", 0.125),
        ("executorch", "int4", 0.125),
        ("onnxruntime", "int8", 0.125),
        ("coreml-reference", "int8", 0.5),
        (BERT_BASE, "fp32", None),
    ],
)
def test_share_is_of_the_roof_of_the_contestants_own_arithmetic(
    runtime: str, precision: str, share: float | None
) -> None:
    roofs = [
        Roof(seq_len=SEQ_LEN, num_macs=10**6, rate=rate, latency_ms=1e9 / rate.macs_per_second)
        for rate in RATES
    ]
    row = Row(
        model="m", runtime=runtime, precision=precision, seq_len=SEQ_LEN, num_threads=1,
        latency_ms=2.0, lower_quartile_ms=2.0, upper_quartile_ms=2.0, ratio_to_pytorch=1.0,
        cold_start_ms=1.0, size_bytes=1, peak_rss_bytes=2, bare_rss_bytes=1,
    )  # fmt: skip
    [found] = roofline.with_shares([row], roofs)
    assert found.roofline_share == share
