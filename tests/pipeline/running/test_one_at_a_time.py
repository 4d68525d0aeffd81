"""Flows called from threads of a program, one at a time and at once."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.ask import Answers, ask
from pipeline.bundle.open import open_bundle
from pipeline.comparison.runtimes import run_student
from pipeline.evaluate import Evaluation, evaluate
from pipeline.parity import BundleParity, check_bundle
from pipeline.student.load import load
from pipeline.student.trace import trace
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.conftest import BuiltBundle
from tests.runs import quiet_run

EXAMPLES = labelled_questions()[:3]
NAMES = ("pytorch", "litert")


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Returns what calls give that begin together, each in a thread of its own."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def read_and_trace(folder: Path, *, num_threads: int) -> tuple[str, list[np.ndarray]]:
    """Returns a student's graph and logits as ``build`` comes by them."""
    student = load(str(folder))
    graph = str(trace(student, seq_lens=(32, 64)).program.graph)
    encoded = student.encode(EXAMPLES, seq_lens=(64,))
    rows = [row.inputs for item in encoded for row in item.rows]
    results = run_student(student, rows, num_threads=num_threads)
    return graph, [value for row in results.outputs for value in row.values()]


def test_students_are_loaded_traced_and_run_in_threads_as_they_are_alone(student_folders):
    folders = [student_folders[name] for name in ("distilbert", "bert")]
    before = torch.get_num_threads()
    alone = [read_and_trace(folder, num_threads=1) for folder in folders]
    for _ in range(2):
        found = at_once(
            *(lambda folder=folder: read_and_trace(folder, num_threads=1) for folder in folders)
        )
        for (graph, logits), (own_graph, own_logits) in zip(found, alone, strict=True):
            assert graph == own_graph
            for value, own in zip(logits, own_logits, strict=True):
                np.testing.assert_array_equal(value, own)
    assert torch.get_num_threads() == before, "one thread left its number to the others"


def test_flows_run_at_once_in_threads_that_are_not_the_main_one(
    built: BuiltBundle, squad_file: Path
):
    def asked() -> Answers:
        with open_bundle(built.folder) as opened:
            return ask(opened, EXAMPLES, names=NAMES, run=quiet_run())

    def scored() -> Evaluation:
        return evaluate(
            str(built.folder), data=squad_file, limit=None, names=NAMES, named_reference=None,
            run=quiet_run(),
        )  # fmt: skip

    def compared() -> BundleParity:
        with open_bundle(built.folder) as opened:
            return check_bundle(
                opened, examples=EXAMPLES, names=NAMES[1:], run=quiet_run(),
            )  # fmt: skip

    first, second, evaluation, parity = at_once(asked, asked, scored, compared)
    assert answers_of(first) == answers_of(second)
    assert first.exit_code == evaluation.exit_code == 0
    assert set(evaluation.scores) == {each.runtime for each in first.done} == set(NAMES)
    assert parity.passed, json.dumps(parity.to_json())


def answers_of(answers: Answers) -> dict[str, Sequence[Any]]:
    return {each.runtime: each.answers for each in answers.done}
