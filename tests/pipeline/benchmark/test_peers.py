"""Peers compute the student, and are skipped with the reason where they cannot be had."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from converters import backends
from converters.values.artifact import Arrays, Runner
from converters.values.errors import GateError
from pipeline import bench
from pipeline.benchmark import peer_runners, peers
from pipeline.benchmark.contest import full_rows
from pipeline.benchmark.peer_runners import Head
from pipeline.bundle.open import open_bundle
from pipeline.comparison.runtimes import TorchRunner, run_student
from pipeline.running.jobs import Job, run_jobs
from pipeline.student.load import Student, load
from tests.conftest import TINY_SEQ_LENS, BuiltBundle
from tests.runs import quiet_run

INSTALLED = [peer for peer in peers.PEERS if not backends.missing_packages(peer.packages)]
NAMES = {
    (peers.COMPILED, "fp32"),
    (peers.BERT_BASE, "fp32"),
    *((peer.runtime, precision) for peer in INSTALLED for precision in peers.PRECISIONS),
}


def run_rows(*, load: Callable[[], Runner], rows: Sequence[Arrays]) -> list[dict[str, np.ndarray]]:
    """The body of a worker."""
    runner = load()
    return [runner.run(row) for row in rows]


@pytest.mark.soak
def test_bench_with_peers_has_rows_shares_and_roofs(built: BuiltBundle) -> None:
    """A peer has rows only if its logits were the student's: see the test of the check."""
    with open_bundle(built.folder) as opened:
        measured = bench.bench(
            opened, names=["pytorch", "litert"], with_peers=True, num_repetitions=2,
            run=quiet_run(),
        )  # fmt: skip
    ours = {("pytorch", "fp32"), ("litert", "fp32")}
    assert {(row.runtime, row.precision) for row in measured.rows} == NAMES | ours
    missing = {peer.runtime for peer in peers.PEERS if peer not in INSTALLED}
    assert {each.runtime for each in measured.skipped} == missing
    for row in measured.rows:
        assert row.ratio_to_pytorch is not None
        assert row.size_bytes > 0
        assert (row.roofline_share is None) == (row.runtime == peers.BERT_BASE)
    assert {(each.seq_len, each.rate.arithmetic) for each in measured.roofs} == {
        (seq_len, arithmetic) for seq_len in TINY_SEQ_LENS for arithmetic in ("fp32", "int8")
    }


def test_compiled_pytorch_gives_pytorch_logits(
    students: dict[str, Student], student_folder: Path, tmp_path: Path
) -> None:
    student = students["distilbert"]
    rows = full_rows(student.input_names, TINY_SEQ_LENS, num_tokens=500)
    load_compiled = functools.partial(
        peer_runners.load_compiled, find=functools.partial(load, str(student_folder)),
        num_threads=1, folder=tmp_path,
    )  # fmt: skip
    arguments = {"load": load_compiled, "rows": rows}
    job = Job(name="compiled", function=run_rows, arguments=arguments)
    [outcome] = run_jobs([job], max_parallel=1)
    for actual, wanted in zip(outcome.get(), run_student(student, rows).outputs, strict=True):
        assert actual.keys() == wanted.keys()
        for name, values in wanted.items():
            assert np.abs(actual[name] - values).max() < 1e-3, name
    assert list(tmp_path.rglob("*.so")), "nothing was compiled"


def test_what_is_missing_is_skipped_with_the_reason_and_the_rest_is_there(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    onnx = peers.PEERS[0]
    absent = dataclasses.replace(onnx, runtime="absent", packages=("no_such_package",))
    find = functools.partial(load, str(student_folder))
    contestants, skipped = peers.prepare(
        find(), find, peers=[absent, onnx], seq_lens=TINY_SEQ_LENS, folder=tmp_path,
            run=quiet_run(),
    )  # fmt: skip
    there = {each.runtime for each in contestants}
    assert there == {peers.BERT_BASE} | ({onnx.runtime} if onnx in INSTALLED else set())
    reasons = {each.runtime: each.reason for each in skipped}
    assert reasons["absent"] == "no_such_package is not installed: pip install 'pocketbert[peers]'"
    assert "C++ compiler" in reasons[peers.COMPILED]


class Swapped:
    """The student, with its two outputs under each other's names."""

    def __init__(self, student: Student) -> None:
        self._runner = TorchRunner(student.model, output_names=student.output_names)

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        first, second = self._runner.run(inputs).items()
        return {first[0]: second[1], second[0]: first[1]}


@pytest.mark.parametrize("precision", peers.PRECISIONS)
def test_check_refuses_a_peer_that_computes_something_else(
    students: dict[str, Student], precision: str
) -> None:
    student = students["distilbert"]
    artifact = peers.describe(
        student, backend="onnx", precision=precision, seq_lens=TINY_SEQ_LENS, path=Path("unread")
    )
    own = TorchRunner(student.model, output_names=student.output_names)
    peers.check(own, student, artifact)
    with pytest.raises(GateError, match="something else than the student: start_logits is"):
        peers.check(Swapped(student), student, artifact)


@pytest.mark.parametrize("head", [
    Head(architecture_suffix="ForQuestionAnswering", num_labels=2,
         output_names=("start_logits", "end_logits")),
    Head(architecture_suffix="ForTokenClassification", num_labels=9, output_names=("logits",)),
], ids=lambda head: head.architecture_suffix)  # fmt: skip
def test_bert_base_runs_rows_of_any_length_and_has_its_parameters(head: Head) -> None:
    made = peer_runners.make_bert_base(head, longest=600)
    assert type(made).__name__ == f"Bert{head.architecture_suffix}"
    weights = sum(each.numel() for each in made.parameters())
    assert weights == 108_891_648 + head.num_labels * (768 + 1) + (600 - 512) * 768


def test_head_is_that_of_the_student(students: dict[str, Student]) -> None:
    assert Head.of_student(students["bert"]) == Head(
        architecture_suffix="ForQuestionAnswering", num_labels=2,
        output_names=("start_logits", "end_logits"),
    )  # fmt: skip
