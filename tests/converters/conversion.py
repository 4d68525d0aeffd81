"""Converts small students in processes of their own, as the product does."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from converters import backends
from converters.conversion import BackendOptions, Conversion
from converters.values.artifact import Arrays, Artifact, ComputeUnits
from converters.values.precision import FIXED_PRECISIONS, FixedPrecision
from converters.values.program import TracedModel
from pipeline.comparison import runtimes
from pipeline.comparison.localize import localize
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.running.jobs import Job, run_jobs
from pipeline.student.load import Student
from pipeline.student.trace import trace
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.runs import quiet_run

SEQ_LENS = (16, 48)
"""Of the artifacts that several test modules read."""


def convert_all(
    student: Student,
    backend: str,
    precisions: Sequence[FixedPrecision],
    folder: Path,
    *,
    seq_lens: tuple[int, ...],
    left_out: Collection[str] = (),
    compute_units: ComputeUnits = "all",
) -> dict[FixedPrecision, Artifact]:
    """Returns one artifact a precision; one process makes them all, so it imports once.

    The weights in ``left_out`` are not stored as integers, whatever the precision says.
    """
    program = folder / "traced.pt2"
    trace(student, seq_lens=seq_lens).save(program)
    arguments = {
        "program": program, "backend": backend, "precisions": precisions, "folder": folder,
        "left_out": left_out, "compute_units": compute_units,
    }  # fmt: skip
    job = Job(name=f"convert {backend}", function=convert_each, arguments=arguments)
    made: dict[FixedPrecision, Artifact] = run_jobs([job], max_parallel=1)[0].get()
    return made


def convert_each(
    *,
    program: Path,
    backend: str,
    precisions: Sequence[FixedPrecision],
    folder: Path,
    left_out: Collection[str],
    compute_units: ComputeUnits,
) -> dict[FixedPrecision, Artifact]:
    """The body of the worker."""
    module = backends.backend(backend)
    made = {}
    for precision in precisions:
        path = folder / precision / module.FILE_NAME
        path.parent.mkdir()
        traced = TracedModel.load(program)
        weights = Quantizer(traced.matrices()).model_weights(recipe_of(precision))
        integers = {name: w for name, w in weights.integers.items() if name not in left_out}
        weights = dataclasses.replace(weights, integers=integers)
        options = BackendOptions(compute_units=compute_units)
        made[precision] = module.convert(
            Conversion(traced=traced, weights=weights, path=path, options=options)
        )
    return made


def run(
    artifacts: Mapping[FixedPrecision, Artifact],
    runtime: str,
    rows: Sequence[Arrays],
    *,
    num_threads: int = 1,
) -> dict[FixedPrecision, list[dict[str, np.ndarray]]]:
    """Returns the outputs of each row, a list a precision; one process runs them all."""
    arguments = {
        "artifacts": artifacts, "runtime": runtime, "rows": rows, "num_threads": num_threads,
    }  # fmt: skip
    job = Job(name=f"run {runtime}", function=run_each, arguments=arguments)
    outputs: dict[FixedPrecision, list[dict[str, np.ndarray]]]
    outputs = run_jobs([job], max_parallel=1)[0].get()
    return outputs


def run_each(
    *,
    artifacts: Mapping[FixedPrecision, Artifact],
    runtime: str,
    rows: Sequence[Arrays],
    num_threads: int,
) -> dict[FixedPrecision, list[dict[str, np.ndarray]]]:
    """The body of the worker."""
    return {
        precision: runtimes.run_artifact(
            artifact=artifact, runtime=runtime, rows=rows, num_threads=num_threads
        ).outputs
        for precision, artifact in artifacts.items()
    }


def random_rows(
    student: Student, *, seq_len: int, num_tokens: Sequence[int]
) -> list[dict[str, np.ndarray]]:
    """Returns a row for each number of real tokens, the rest padding."""
    random = np.random.default_rng(0)
    rows = []
    for count in num_tokens:
        row = {name: np.zeros((1, seq_len), np.int32) for name in student.input_names}
        row["input_ids"][0, :count] = random.integers(5, 800, count)
        row["attention_mask"][0, :count] = 1
        if "token_type_ids" in row:
            row["token_type_ids"][0, count // 2 : count] = 1
        rows.append(row)
    return rows


def assert_no_block_is_alarming(
    student: Student, artifacts: Mapping[FixedPrecision, Artifact], runtime: str
) -> None:
    """Looks into good artifacts block by block; each is 10 dB above its tolerance at least."""
    found = localize(
        student,
        [artifacts[precision] for precision in FIXED_PRECISIONS],
        examples=labelled_questions(),
        names=(runtime,),
        run=quiet_run(),
    )
    assert [each.precision for each in found] == list(FIXED_PRECISIONS)
    for each in found:
        assert each.passed, each
        assert min(block.local_snr_db for block in each.blocks) > each.tolerance_db + 10
