"""Static int8 activations: what the files hold, and what their runtimes make of it."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from converters import backends
from converters.executorch.file import read_program
from converters.tflite import inspection
from converters.tflite.activations import fix
from converters.tflite.graph import EditedModel
from converters.values.artifact import Artifact
from converters.weights.activations import LinearActivations, linear_activations
from converters.weights.quantized import ModelWeights
from pipeline.comparison.runtimes import run_student
from pipeline.conversion.convert import convert_saved
from pipeline.conversion.metrics import snr_db
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.calibration import activation_ranges
from pipeline.quantization.quantizer import Quantizer
from pipeline.running.jobs import Job, run_jobs
from pipeline.student.emulation import emulated
from pipeline.student.load import Student
from pipeline.student.trace import trace
from tests.converters.conversion import random_rows, run
from tests.converters.tflite.test_weights import with_gains

SEQ_LENS = (16, 48)
EMULATED_SNR_DB = 27.0
"""A sum that lies between two integers turns with the last bit of a float, and each layer hands on
what turned: PyTorch's kernels part from XNNPACK's. Random weights make that worse: with a trained
student it is 39."""
AGREEING_SNR_DB = 60.0
"""Both backends compute with XNNPACK."""
NUM_LINEAR = 2 * 6 + 1
RUNS_HERE = [
    runtime.name
    for runtime in backends.RUNTIMES
    if runtime.backend in backends.INTEGER_BACKENDS and not backends.why_unavailable(runtime)
]


@pytest.fixture(scope="module")
def student(students: dict[str, Student]) -> Student:
    """With biases: a new student's are zeros, which the TFLite converter leaves out."""
    return with_gains(students["distilbert"])


@pytest.fixture(scope="module")
def weights(student: Student) -> ModelWeights:
    ranges = activation_ranges(student, student.task.own_examples()[:20])
    quantizer = Quantizer(trace(student, seq_lens=SEQ_LENS).matrices(), activations=ranges)
    return quantizer.model_weights(recipe_of("int8", activations="static"))


@pytest.fixture(scope="module")
def artifacts(
    student: Student, weights: ModelWeights, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Artifact]:
    """Of each backend, and of TFLite with dynamic activations."""
    folder = tmp_path_factory.mktemp("static")
    program = folder / "traced.pt2"
    trace(student, seq_lens=SEQ_LENS).save(program)
    dynamic = dataclasses.replace(weights, activations={})
    wanted = {name: (name, weights) for name in backends.INTEGER_BACKENDS}
    wanted["dynamic"] = "tflite", dynamic
    jobs = [
        Job(
            name=f"convert {name}",
            function=convert_saved,
            arguments={
                "program": program, "backend": backend, "weights": each, "folder": folder / name,
            },
        )
        for name, (backend, each) in wanted.items()
    ]  # fmt: skip
    outcomes = run_jobs(jobs, max_parallel=1)
    return {name: outcome.get() for name, outcome in zip(wanted, outcomes, strict=True)}


@pytest.fixture(scope="module")
def rows(student: Student) -> list[dict[str, np.ndarray]]:
    return [
        row
        for seq_len in SEQ_LENS
        for row in random_rows(student, seq_len=seq_len, num_tokens=(seq_len, 9))
    ]


@pytest.fixture(scope="module")
def logits(
    artifacts: dict[str, Artifact], rows: list[dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Of all rows, by runtime."""
    made = {}
    for name in RUNS_HERE:
        artifact = artifacts[backends.runtime(name).backend]
        made[name] = joined(run({"int8": artifact}, name, rows)["int8"])
    return made


@pytest.mark.parametrize("runtime", RUNS_HERE)
def test_runtimes_compute_with_the_given_ranges(
    logits: dict[str, np.ndarray],
    rows: list[dict[str, np.ndarray]],
    student: Student,
    weights: ModelWeights,
    runtime: str,
) -> None:
    dynamic = dataclasses.replace(weights, activations={})
    snr = {
        each.kind_of_activations: snr_db(
            actual=logits[runtime],
            reference=joined(run_student(emulated(student, each), rows).outputs),
        )
        for each in (weights, dynamic)
    }
    assert snr["static"] > EMULATED_SNR_DB
    assert snr["static"] > snr["dynamic"] + 2


def test_runtimes_of_both_backends_agree(logits: dict[str, np.ndarray]) -> None:
    first, *others = logits.values()
    assert others
    for other in others:
        assert snr_db(actual=other, reference=first) > AGREEING_SNR_DB


def test_tflite_linear_layers_are_int8_from_end_to_end(
    artifacts: dict[str, Artifact], weights: ModelWeights
) -> None:
    model = schema.ModelT.InitFromPackedBuf(artifacts["tflite"].path.read_bytes(), 0)
    assert len(model.subgraphs) == len(SEQ_LENS)
    for graph in model.subgraphs:
        layers = operators(model, graph, schema.BuiltinOperator.FULLY_CONNECTED)
        assert len(layers) == NUM_LINEAR
        for layer in layers:
            taken, weight, bias = (graph.tensors[index] for index in layer.inputs)
            name = weight.name.decode()
            activations = weights.activations[name]
            assert not layer.builtinOptions.asymmetricQuantizeInputs
            assert model.operatorCodes[layer.opcodeIndex].version == 12
            assert [taken.type, weight.type] == [schema.TensorType.INT8] * 2
            assert taken.quantization.scale.tolist() == [activations.input_scale]
            assert taken.quantization.zeroPoint.tolist() == [activations.input_zero_point]
            values = model.buffers[weight.buffer].data.view(np.int8).reshape(weight.shape)
            np.testing.assert_array_equal(values, weights.integers[name].values)
            assert bias.type == schema.TensorType.INT32
            np.testing.assert_array_equal(
                bias.quantization.scale,
                np.float32(activations.input_scale) * weight.quantization.scale,
            )
            (given,) = (graph.tensors[index] for index in layer.outputs)
            assert given.type == schema.TensorType.INT8
            assert given.quantization.scale.tolist() == [1.0]
        # Three layers read what the layer before yields, and share its integers.
        quantized = operators(model, graph, schema.BuiltinOperator.QUANTIZE)
        assert len(quantized) == NUM_LINEAR - 2 * 2


def test_tflite_delegates_all_that_it_adds(artifacts: dict[str, Artifact]) -> None:
    left = {}
    for name in ("tflite", "dynamic"):
        found = inspection.inspect(artifacts[name].path)
        left[name] = found.num_ops - found.num_delegated_ops
    assert left["tflite"] == left["dynamic"]


def test_executorch_linear_layers_are_int8_from_end_to_end(artifacts: dict[str, Artifact]) -> None:
    (method,) = read_program(artifacts["executorch"].path).methods
    layers, kinds = [], set()
    for graph in method.graphs:
        dtypes = {number: value.datatype for number, value in graph.values.items()}
        kinds |= set(dtypes.values())
        for _, node in graph.nodes:
            if "filter_id" in node:
                places = ("input1_id", "filter_id", "bias_id", "output_id")
                layers.append([dtypes[node[place]] for place in places])
    assert layers == [["qint8", "qcint8", "qcint32", "qint8"]] * NUM_LINEAR
    assert "qdint8" not in kinds, "something is quantized as it runs"


def test_artifacts_say_that_they_are_static(artifacts: dict[str, Artifact]) -> None:
    kinds = {name: artifact.activations for name, artifact in artifacts.items()}
    assert kinds == {"executorch": "static", "tflite": "static", "dynamic": "dynamic"}


def test_fix_layer_that_the_file_lacks_names_it(artifacts: dict[str, Artifact]) -> None:
    model = EditedModel(artifacts["dynamic"].path)
    with pytest.raises(
        ValueError, match=r"no linear layer of the file has a weight nobody\.weight"
    ):
        fix(model, {"nobody.weight": activations_of(-1.0, 1.0)})


@pytest.mark.parametrize(
    ("lowest", "highest"), [(-3.0, 5.0), (2.0, 5.0), (-5.0, -2.0), (0.0, 0.0), (-1e-3, 40.0)]
)
def test_range_holds_zero_and_both_ends_to_half_a_step(lowest: float, highest: float) -> None:
    made = activations_of(lowest, highest)
    ends = np.array([0.0, lowest, highest])
    integers = np.clip(np.round(ends / made.input_scale) + made.input_zero_point, -128, 127)
    restored = (integers - made.input_zero_point) * made.input_scale
    assert restored[0] == 0
    # Half a step, and half of one that the rounded zero point moves both ends by.
    np.testing.assert_allclose(restored, ends, atol=made.input_scale)
    assert np.float32(made.input_scale) == made.input_scale


def test_channel_that_gave_nothing_but_zeros_has_a_scale() -> None:
    made = linear_activations(
        lowest=-1.0, highest=1.0, largest_outputs=np.array([0.0, 12.7], np.float32)
    )
    np.testing.assert_allclose(made.output_scales, [1.0, 0.1])
    np.testing.assert_allclose(made.divide(np.array([[3.0], [3.0]])), [[3.0], [30.0]])


def activations_of(lowest: float, highest: float) -> LinearActivations:
    return linear_activations(
        lowest=lowest, highest=highest, largest_outputs=np.ones(4, np.float32)
    )


def operators(model: Any, graph: Any, code: int) -> list[Any]:
    return [
        each
        for each in graph.operators
        if model.operatorCodes[each.opcodeIndex].builtinCode == code
    ]


def joined(outputs: list[dict[str, np.ndarray]]) -> np.ndarray:
    return np.concatenate([row[name].ravel() for row in outputs for name in sorted(row)])
