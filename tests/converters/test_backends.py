"""What holds for every backend: it takes the trace of any encoder and computes what it computes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import backends
from converters.executorch.file import read_program
from converters.tflite.file import TFLiteFile
from converters.values.artifact import Arrays, Artifact, ComputeUnits
from converters.values.errors import InputError, MissingPackageError
from converters.values.precision import FIXED_PRECISIONS, FixedPrecision
from converters.workarounds import coremltools_without_frameworks
from pipeline.comparison.runtimes import run_artifact, run_student
from pipeline.conversion.audit import find_problems
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.running.jobs import Job, run_jobs
from pipeline.student.emulation import with_integers
from pipeline.student.load import Student
from pipeline.student.trace import trace
from tests.converters.conversion import SEQ_LENS, convert_all, random_rows, run
from tests.students import ARCHITECTURES

with coremltools_without_frameworks():
    from coremltools.proto import Model_pb2

RUNS_HERE = [runtime for runtime in backends.RUNTIMES if backends.why_unavailable(runtime) is None]
SAMPLED = {("bert", "all"), ("distilbert", "cpu-and-ne")}
TOLERANCE: dict[FixedPrecision, float] = {
    # Relative to the largest logit, and at integers to the student with the very weights that the
    # artifact holds. Random weights this large make attention all or nothing, which the rounding of
    # activations turns into far more noise than in a trained student; a wrong artifact is off by
    # one.
    "fp32": 1e-5,
    "fp16": 2e-2,
    "int8": 0.25,
    "int4": 0.25,
}


@pytest.mark.parametrize("runtime", RUNS_HERE, ids=lambda runtime: runtime.name)
def test_artifact_computes_what_the_student_computes_at_each_length(
    artifacts: dict[str, dict[FixedPrecision, Artifact]],
    students: dict[str, Student],
    runtime: backends.Runtime,
) -> None:
    student = students["distilbert"]
    rows = [
        row
        for seq_len in SEQ_LENS
        for row in random_rows(student, seq_len=seq_len, num_tokens=(seq_len, 9))
    ]
    outputs = run(artifacts[runtime.backend], runtime.name, rows)
    for precision in FIXED_PRECISIONS:
        expected = with_weights_of(student, precision)
        assert_close(expected, rows, outputs[precision], tolerance=TOLERANCE[precision])


@pytest.mark.parametrize("runtime", RUNS_HERE, ids=lambda runtime: runtime.name)
def test_runtime_gives_the_same_bits_on_any_number_of_threads(
    artifacts: dict[str, dict[FixedPrecision, Artifact]],
    students: dict[str, Student],
    runtime: backends.Runtime,
) -> None:
    rows = random_rows(students["distilbert"], seq_len=SEQ_LENS[1], num_tokens=(SEQ_LENS[1], 9))
    one, two = (
        run(artifacts[runtime.backend], runtime.name, rows, num_threads=count) for count in (1, 2)
    )
    for precision in FIXED_PRECISIONS:
        for first, second in zip(one[precision], two[precision], strict=True):
            assert all(np.array_equal(first[name], second[name]) for name in first), precision


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_int8_artifact_holds_linear_weights_and_embedding_in_int8(
    artifacts: dict[str, dict[FixedPrecision, Artifact]], backend: str
) -> None:
    found = backends.backend(backend).inspect(artifacts[backend]["int8"].path)
    vocabulary, width, hidden, num_layers = 800, 64, 128, 2
    quantized = vocabulary * width + num_layers * (4 * width * width + 2 * width * hidden)
    assert found.bytes_by_dtype["int8"] >= quantized
    assert found.tensors[0].dtype == "int8"
    assert found.tensors[0].size_bytes == vocabulary * width
    assert not any(
        tensor.dtype.startswith("float") and tensor.size_bytes >= width * width
        for tensor in found.tensors
        if "position" not in tensor.name and tensor.size_bytes not in position_tables(SEQ_LENS)
    )


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_int4_artifact_holds_linear_weights_and_embedding_in_four_bits(
    artifacts: dict[str, dict[FixedPrecision, Artifact]], backend: str
) -> None:
    found = backends.backend(backend).inspect(artifacts[backend]["int4"].path)
    vocabulary, width, hidden, num_layers = 800, 64, 128, 2
    linear = num_layers * (4 * width * width + 2 * width * hidden)
    # ExecuTorch has no four-bit dtype: its embedding's kernel takes two numbers a byte.
    packed = {"int4", "uint4", "uint8"}
    in_four_bits = sum(found.bytes_by_dtype.get(dtype, 0) for dtype in packed)
    assert in_four_bits >= (vocabulary * width + linear) // 2


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_fp16_artifact_holds_half_the_bytes_of_fp32(
    artifacts: dict[str, dict[FixedPrecision, Artifact]], backend: str
) -> None:
    sizes = {}
    halves: tuple[FixedPrecision, ...] = ("fp32", "fp16")
    for precision in halves:
        found = backends.backend(backend).inspect(artifacts[backend][precision].path)
        sizes[precision] = sum(found.bytes_by_dtype.values())
        assert found.tensors[0].dtype == ("float16" if precision == "fp16" else "float32")
    assert sizes["fp16"] < 0.62 * sizes["fp32"]


@pytest.mark.parametrize(
    ("architecture", "backend"),
    [
        pytest.param(
            architecture,
            backend,
            # Every pair in `make soak`; here each encoder once and each backend once.
            marks=[] if sampled else pytest.mark.soak,
        )
        for number, architecture in enumerate(ARCHITECTURES)
        for position, backend in enumerate(backends.BACKENDS)
        for sampled in [number > 0 and number - 1 == position]
    ],
)
def test_every_encoder_converts(
    students: dict[str, Student], architecture: str, backend: str, tmp_path: Path
) -> None:
    student = students[architecture]
    precisions: tuple[FixedPrecision, ...] = ("fp32", "int8", "int4")
    made = convert_all(student, backend, precisions, tmp_path, seq_lens=(48,))
    rows = random_rows(student, seq_len=48, num_tokens=(48, 20))
    runtime = next(each for each in RUNS_HERE if each.backend == backend)
    outputs = run(made, runtime.name, rows)
    for precision in precisions:
        expected = with_weights_of(student, precision)
        assert_close(expected, rows, outputs[precision], tolerance=TOLERANCE[precision])
        assert problems_of(student, made[precision], precision) == []
    assert [spec.name for spec in made["fp32"].inputs] == list(student.input_names)


@pytest.mark.parametrize(
    ("architecture", "compute_units"),
    [
        # Every pair in `make soak`; here each layout once.
        pytest.param(
            name,
            units,
            marks=[] if (name, units) in SAMPLED else pytest.mark.soak,
            id=f"{name} {units}",
        )
        for name in ARCHITECTURES
        for units in ("all", "cpu-and-ne")
    ],
)
def test_every_encoder_converts_to_core_ml_at_all_of_its_positions(
    students: dict[str, Student], architecture: str, compute_units: ComputeUnits, tmp_path: Path
) -> None:
    student = students[architecture]
    made = convert_all(
        student, "coreml", ("fp32",), tmp_path,
        seq_lens=(student.max_seq_len,), compute_units=compute_units,
    )  # fmt: skip
    rows = random_rows(student, seq_len=student.max_seq_len, num_tokens=(student.max_seq_len, 20))
    outputs = run(made, "coreml-reference", rows)
    assert_close(student, rows, outputs["fp32"], tolerance=TOLERANCE["fp32"])


def test_check_installed_unknown_backend_lists_the_valid_ones() -> None:
    with pytest.raises(InputError, match="no backend 'onnx'") as caught:
        backends.check_installed("onnx")
    assert caught.value.hint == "choose from executorch, tflite, coreml"


def test_check_installed_missing_package_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(backends.BACKENDS, "coreml", ("a_package_that_nobody_has",))
    with pytest.raises(MissingPackageError, match="a_package_that_nobody_has") as caught:
        backends.check_installed("coreml")
    assert caught.value.hint == "pip install 'pocketbert[coreml]'"


def assert_close(
    student: Student,
    rows: list[dict[str, np.ndarray]],
    outputs: list[dict[str, np.ndarray]],
    *,
    tolerance: float,
) -> None:
    """Compares logits at real tokens, relative to the largest of the row."""
    expected = run_student(student, rows).outputs
    for row, reference, actual in zip(rows, expected, outputs, strict=True):
        num_tokens = int(row["attention_mask"].sum())
        assert set(actual) == set(student.output_names)
        for name in student.output_names:
            assert actual[name].shape == reference[name].shape
            assert actual[name].dtype == np.float32
            wanted = reference[name][0, :num_tokens]
            difference = np.abs(actual[name][0, :num_tokens] - wanted).max()
            assert difference <= tolerance * np.abs(wanted).max(), name


def with_weights_of(student: Student, precision: FixedPrecision) -> Student:
    """Returns the student with the weights that an artifact holds, its activations in floats."""
    matrices = trace(student, seq_lens=(16,)).matrices()
    return with_integers(student, Quantizer(matrices).model_weights(recipe_of(precision)))


def problems_of(student: Student, artifact: Artifact, precision: FixedPrecision) -> list[str]:
    """Audits an artifact, and sees that it can be inspected."""
    module = backends.backend(artifact.backend)
    assert module.inspect(artifact.path).num_macs > 0
    originals = trace(student, seq_lens=artifact.seq_lens).matrices()
    weights = Quantizer(originals).model_weights(recipe_of(precision))
    stored = module.read_matrices(artifact.path)
    return find_problems(stored, weights=weights, originals=originals)


def position_tables(seq_lens: tuple[int, ...]) -> set[int]:
    """Sizes in bytes of the position tables that converters fold to the length, fp32 and fp16."""
    return {seq_len * 64 * width for seq_len in seq_lens for width in (2, 4)}


def spec_of(artifact: Artifact) -> Any:
    """Returns what a Core ML package holds beside its weights."""
    program = artifact.path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    return Model_pb2.Model.FromString(program.read_bytes())


def entry_points_in(artifact: Artifact) -> set[str]:
    """Returns what the finished file itself says can be called."""
    if artifact.backend == "executorch":
        return {method.name for method in read_program(artifact.path).methods}
    if artifact.backend == "tflite":
        return set(TFLiteFile(artifact.path).graphs)
    return set(spec_of(artifact).mlProgram.functions)


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_artifact_says_what_to_call_and_what_it_requires(
    artifacts: dict[str, dict[FixedPrecision, Artifact]], backend: str
) -> None:
    least = {
        "executorch": {
            "fp32": {"executorch": "1.4"},
            "fp16": {"executorch": "1.4", "arm64-fp16": "8.2"},
            "int4": {"executorch": "1.4"},
        },
        "tflite": {"fp32": {"tensorflow-lite": "2.9.0"}, "int4": {"tensorflow-lite": "2.21.0"}},
        # Several lengths are several functions, which came with iOS 18.
        "coreml": {key: {"ios": "18.0", "macos": "15.0"} for key in ("fp32", "int4")},
    }
    for precision, requires in least[backend].items():
        artifact = artifacts[backend][precision]
        assert set(artifact.entry_points) == entry_points_in(artifact)
        assert len(artifact.entry_points) == len(artifact.seq_lens)
        assert artifact.requires == requires


def test_coreml_package_runs_the_longest_rows_where_no_function_is_named(
    artifacts: dict[str, dict[FixedPrecision, Artifact]],
) -> None:
    artifact = artifacts["coreml"]["fp32"]
    assert spec_of(artifact).description.defaultFunctionName == artifact.entry_points[-1]
    assert artifact.entry_points[-1] == artifact.entry_point(max(SEQ_LENS))


@pytest.mark.parametrize("runtime", RUNS_HERE, ids=lambda runtime: runtime.name)
def test_runner_calls_what_the_artifact_names_and_nothing_else(
    artifacts: dict[str, dict[FixedPrecision, Artifact]],
    students: dict[str, Student],
    runtime: backends.Runtime,
) -> None:
    artifact = artifacts[runtime.backend]["fp32"]
    first, second = artifact.entry_points
    wrong = [("no_such", second), (first, "no_such"), (first, "")]
    if first != second:  # each serves rows of another shape
        wrong.append((second, first))
    rows = [
        random_rows(students["distilbert"], seq_len=seq_len, num_tokens=(9,))[0]
        for seq_len in SEQ_LENS
    ]
    unserved = random_rows(students["distilbert"], seq_len=32, num_tokens=(9,))
    named = [dataclasses.replace(artifact, entry_points=each) for each in wrong]
    arguments = {
        "tries": [(artifact, rows), *((each, rows) for each in named), (artifact, unserved)],
        "runtime": runtime.name,
    }
    jobs = [Job(name=f"try {runtime.name} with each", function=try_each, arguments=arguments)]
    good, *bad, last = run_jobs(jobs, max_parallel=1)[0].get()
    assert good == ""
    assert len(bad) == len(wrong)
    assert all(bad), bad
    assert all(each.startswith("InputError") and "no_such" in each for each in bad[:2]), bad
    assert "no entry point for rows of 32 tokens" in last


def try_each(*, tries: Sequence[tuple[Artifact, Sequence[Arrays]]], runtime: str) -> list[str]:
    """Returns how each artifact failed to run its rows, or nothing; the body of a worker."""
    found = []
    for artifact, rows in tries:
        try:
            run_artifact(artifact=artifact, runtime=runtime, rows=rows, num_threads=1)
            found.append("")
        except Exception as err:
            found.append(f"{type(err).__name__}: {err}")
    return found
