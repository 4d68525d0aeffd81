"""What the artifacts want of a runtime, and what those hold that the Android app is built with.

The app's LiteRT is on Google's Maven repository alone. The Python package of the same release is
built from the same sources, and tells which versions of the operators these register.
"""

import re
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from executorch import kernels
from executorch.exir._serialize._program import deserialize_pte_binary

from converters.tflite.file import TFLiteFile
from converters.values.artifact import Artifact
from converters.values.precision import FIXED_PRECISIONS
from pipeline.conversion.convert import convert_saved
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.calibration import activation_ranges
from pipeline.quantization.quantizer import Quantizer
from pipeline.running.jobs import Job, run_jobs
from pipeline.student.load import Student
from pipeline.student.trace import trace
from tests.command import ROOT
from tests.converters.conversion import SEQ_LENS

DEMO = ROOT / "android_demo"
PINNED = tomllib.loads((DEMO / "gradle" / "libs.versions.toml").read_text())["versions"]
APP_RUNTIMES = DEMO / "engines/src/main/kotlin/org/pocketbert/engines/RuntimeVersions.kt"
EXECUTORCH_AAR = Path.home().joinpath(
    ".m2/repository/org/pytorch/executorch-android", PINNED["executorch"],
    f"executorch-android-{PINNED['executorch']}.aar",
)  # fmt: skip

KINDS = (*FIXED_PRECISIONS, "static")
"""The precisions, and int8 with static activations."""

OPERATORS = {
    number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()
}
MOST_VERSIONS = 20
"""Of an operator. No one has as many."""

LEAST_RELEASES = {
    ("ADD", 1): "1.5.0", ("BATCH_MATMUL", 1): "2.3.0", ("CAST", 1): "1.5.0",
    ("DEQUANTIZE", 2): "1.14.0", ("DEQUANTIZE", 3): "1.15.0", ("EMBEDDING_LOOKUP", 1): "1.13.0",
    ("EMBEDDING_LOOKUP", 4): "2.18.0", ("FULLY_CONNECTED", 5): "2.0.0",
    ("FULLY_CONNECTED", 12): "2.17.0", ("FULLY_CONNECTED", 13): "2.18.0", ("GELU", 1): "2.9.0",
    ("MEAN", 1): "1.6.0", ("MUL", 1): "1.5.0", ("QUANTIZE", 1): "1.14.0", ("RESHAPE", 1): "1.5.0",
    ("RSQRT", 1): "1.10.0", ("SLICE", 1): "1.14.0", ("SOFTMAX", 1): "1.5.0",
    ("SQUARED_DIFFERENCE", 1): "1.13.1", ("SUB", 1): "1.6.0", ("TRANSPOSE", 1): "1.6.0",
}  # fmt: skip
"""The release of TensorFlow Lite that first held a version of an operator.

Source: LiteRT, ``tflite/tools/versioning/runtime_version.cc``.
"""

LEAST_WITH_HALVES = LEAST_WITH_BLOCKS = "2.21.0"
"""The release that looks up in a table of halves, and that multiplies by weights with a scale a
block.

Seen with this package: releases of LiteRT before 2.1.6 fail while they look up in halves, and those
before 2.1.0 load weights of four bits in blocks and compute other numbers. TensorFlow 2.18 does as
they do, 2.21 as the later ones. No operator's version tells it.
"""

PRIMITIVES = {"aten::sym_size.int", "aten::sym_numel", "aten::_local_scalar_dense"}
"""Kernels of the runtime itself, beside those whose names begin with ``executorch_prim``.

Source: ExecuTorch, ``kernels/prim_ops/register_prim_ops.cpp``.
"""


@dataclass(frozen=True, order=True)
class Operator:
    """An operator of TensorFlow Lite, in one version."""

    code: int
    version: int

    def __str__(self) -> str:
        return f"{OPERATORS[self.code]} {self.version}"


@pytest.fixture(scope="module")
def wanted(
    artifacts: dict[str, dict[str, Artifact]],
    students: dict[str, Student],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Artifact]]:
    """The artifacts of both backends on Android, of all kinds."""
    folder = tmp_path_factory.mktemp("static")
    student = students["distilbert"]
    traced = trace(student, seq_lens=SEQ_LENS)
    traced.save(folder / "traced.pt2")
    ranges = activation_ranges(student, student.task.own_examples()[:5])
    weights = Quantizer(traced.matrices(), activations=ranges).model_weights(
        recipe_of("int8", activations="static")
    )
    made = {}
    for backend in ("executorch", "tflite"):
        arguments = {
            "program": folder / "traced.pt2", "backend": backend, "weights": weights,
            "folder": folder / backend,
        }  # fmt: skip
        job = Job(name=f"convert {backend}", function=convert_saved, arguments=arguments)
        static = run_jobs([job], max_parallel=1)[0].get()
        made[backend] = {**artifacts[backend], "static": static}
    return made


@pytest.fixture(scope="module")
def registered() -> dict[str, set[Operator]]:
    """What LiteRT and TensorFlow register here."""
    names = ("litert", "tensorflow")
    jobs = [
        Job(name=f"operators that {name} has", function=registered_by, arguments={"runtime": name})
        for name in names
    ]
    outcomes = run_jobs(jobs, max_parallel=1)
    return {name: outcome.get() for name, outcome in zip(names, outcomes, strict=True)}


def test_python_has_the_releases_that_the_app_is_built_with() -> None:
    assert version("ai-edge-litert") == PINNED["litert"] == app_runtime("LITERT")
    assert version("executorch") == PINNED["executorch"] == app_runtime("EXECUTORCH")
    assert version("tensorflow") == app_runtime("TENSORFLOW_LITE")


def test_litert_registers_all_that_the_app_says_it_holds(
    registered: dict[str, set[Operator]],
) -> None:
    assert len(registered["tensorflow"]) > 300
    assert not registered["tensorflow"] - registered["litert"]


@pytest.mark.parametrize("kind", KINDS)
def test_litert_registers_every_operator_in_the_version_of_the_artifact(
    wanted: dict[str, dict[str, Artifact]], registered: dict[str, set[Operator]], kind: str
) -> None:
    operators = operators_of(wanted["tflite"][kind].path)
    assert len(operators) > 10
    assert not operators - registered["litert"]
    # What the app says of itself decides what it loads.
    assert not operators - registered["tensorflow"]


def test_operator_of_a_later_version_is_found(
    wanted: dict[str, dict[str, Artifact]], registered: dict[str, set[Operator]], tmp_path: Path
) -> None:
    model = flatbuffer_utils.read_model(wanted["tflite"]["int8"].path)
    model.operatorCodes[0].version = MOST_VERSIONS
    later = tmp_path / "model.tflite"
    later.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    (operator,) = operators_of(later) - registered["litert"]
    assert operator.version == MOST_VERSIONS


@pytest.mark.parametrize("kind", KINDS)
def test_artifact_requires_the_release_that_first_ran_it(
    wanted: dict[str, dict[str, Artifact]], kind: str
) -> None:
    artifact = wanted["tflite"][kind]
    least = numbers(artifact.requires["tensorflow-lite"])
    assert least == least_release(artifact.path)
    assert least <= numbers(app_runtime("TENSORFLOW_LITE"))


@pytest.mark.parametrize("kind", KINDS)
def test_executorch_has_every_kernel_outside_the_delegates(
    wanted: dict[str, dict[str, Artifact]], kind: str
) -> None:
    artifact = wanted["executorch"][kind]
    found = kernels_of(artifact.path)
    assert found
    assert not found - android_kernels()
    assert numbers(artifact.requires["executorch"]) <= numbers(app_runtime("EXECUTORCH"))


def test_kernel_that_the_app_lacks_is_found() -> None:
    assert {"aten::embedding.out", "aten::fft.out"} - android_kernels() == {"aten::fft.out"}


@pytest.mark.parametrize("kind", KINDS)
def test_executorch_library_for_android_names_every_kernel(
    wanted: dict[str, dict[str, Artifact]], kind: str
) -> None:
    if not EXECUTORCH_AAR.is_file():
        coordinates = f"org.pytorch:executorch-android:{PINNED['executorch']}:aar"
        pytest.skip(f"not fetched: mvn dependency:get -Dartifact={coordinates}")
    with zipfile.ZipFile(EXECUTORCH_AAR) as aar:
        library = aar.read("jni/arm64-v8a/libexecutorch.so")
    names = kernels_of(wanted["executorch"][kind].path)
    assert not {name for name in names if name.encode() not in library}


def registered_by(*, runtime: str) -> set[Operator]:
    """Returns every operator that a runtime registers; the body of a worker."""
    if runtime == "litert":
        from ai_edge_litert.interpreter import Interpreter
    else:
        from tensorflow import lite

        Interpreter = lite.Interpreter  # noqa: N806
    found = set()
    for code in OPERATORS.keys() - {schema.BuiltinOperator.CUSTOM}:
        for number in range(1, MOST_VERSIONS):
            try:
                Interpreter(model_content=model_with(code, number))
            except ValueError as err:
                assert "Didn't find op for builtin opcode" in str(err)
                break
            found.add(Operator(code, number))
    return found


def model_with(code: int, number: int) -> bytes:
    """Returns a model that names an operator, and runs none."""
    operator = schema.OperatorCodeT(
        builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=number
    )
    graph = schema.SubGraphT(tensors=[], inputs=[], outputs=[], operators=[])
    model = schema.ModelT(
        version=3, operatorCodes=[operator], subgraphs=[graph], buffers=[schema.BufferT()]
    )
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def operators_of(path: Path) -> set[Operator]:
    """Returns the operators of a ``.tflite`` file."""
    codes = TFLiteFile(path).model.operatorCodes
    return {
        Operator(int(flatbuffer_utils.get_builtin_code_from_operator_code(each)), each.version)
        for each in codes
    }


def least_release(path: Path) -> tuple[int, ...]:
    """Returns the first release of TensorFlow Lite that runs a file."""
    needed = [LEAST_RELEASES[OPERATORS[each.code], each.version] for each in operators_of(path)]
    file = TFLiteFile(path)
    for graph in file.graphs.values():
        for tensor in graph.tensors:
            if tensor.quantization and isinstance(
                tensor.quantization.details, schema.BlockwiseQuantizationT
            ):
                needed.append(LEAST_WITH_BLOCKS)
        for operator in graph.operators:
            is_lookup = file.code(operator) == schema.BuiltinOperator.EMBEDDING_LOOKUP
            if is_lookup and graph.tensors[operator.inputs[1]].type == schema.TensorType.FLOAT16:
                needed.append(LEAST_WITH_HALVES)
    return max(map(numbers, needed))


def kernels_of(path: Path) -> set[str]:
    """Returns the kernels that a ``.pte`` file calls itself, those of its delegates left out."""
    program = deserialize_pte_binary(path.read_bytes()).program
    return {
        f"{each.name}.{each.overload}" if each.overload else each.name
        for plan in program.execution_plan
        for each in plan.operators
    }


def android_kernels() -> set[str]:
    """Returns what ExecuTorch's library for Android is built with.

    That is the portable kernels, or an optimized one in their place, and the quantized ones.

    Source: ExecuTorch, ``tools/cmake/preset/android.cmake`` and ``extension/android``.
    """
    return {
        *names_in("portable/functions.yaml"),
        *names_in("quantized/quantized.yaml"),
        *PRIMITIVES,
    }


def names_in(file: str) -> Iterator[str]:
    """Yields the kernels that a file of ExecuTorch declares, as in ``aten::add.out``."""
    (folder,) = kernels.__path__
    for entry in yaml.safe_load(Path(folder, file).read_text()):
        declared = entry.get("op") or entry["func"].split("(")[0]
        yield declared if "::" in declared else f"aten::{declared}"


def app_runtime(name: str) -> str:
    """Returns a version that the app says it is built with."""
    (found,) = re.findall(rf'const val {name} = "(.+)"', APP_RUNTIMES.read_text())
    return str(found)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
