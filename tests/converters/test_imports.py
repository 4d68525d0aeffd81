"""What is imported with what: a process that needs one framework starts without the others."""

import subprocess
import sys

import pytest

from converters import backends
from converters.workarounds import FRAMEWORKS
from tests.command import ROOT

TORCH = {"torch", "transformers"}
CONVERTERS = {
    "executorch",
    "torchao",
    "litert_torch",
    "ai_edge_litert",
    "tensorflow",
    "coremltools",
}


def imported_with(*modules: str) -> set[str]:
    """Returns all that a fresh process has imported once it has imported these."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    return set(done.stdout.split())


def test_faces_bring_no_framework() -> None:
    faces = [f"converters.{name}.backend" for name in backends.BACKENDS]
    assert not imported_with("converters.backends", *faces) & (TORCH | CONVERTERS)


@pytest.mark.parametrize("module", ["runtime", "inspection", "matrices", "taps", "weights"])
def test_tflite_file_is_written_read_and_run_without_torch(module: str) -> None:
    found = imported_with(f"converters.tflite.{module}")
    assert found & (TORCH | CONVERTERS) == {"ai_edge_litert"}


def test_tensorflow_runs_a_file_without_torch_and_without_litert() -> None:
    reason = backends.why_unavailable(backends.runtime("tensorflow"))
    if reason is not None:
        pytest.skip(reason)
    found = imported_with("converters.tflite.tensorflow_runtime")
    assert found & (TORCH | CONVERTERS) == {"tensorflow"}


def test_executorch_runs_a_file_without_its_exporter() -> None:
    found = imported_with("converters.executorch.runtime")
    assert found & (TORCH | CONVERTERS) == {"torch", "executorch"}
    assert not any(name.startswith("executorch.exir") for name in found)


def test_executorch_still_imports_its_exporter_with_its_runtime() -> None:
    """Where it does not, its own ``executorch.runtime`` is the better thing to call."""
    assert "executorch.exir" in imported_with("executorch.extension.pybindings.portable_lib")


def test_evaluator_is_usable_alone() -> None:
    found = imported_with("converters.coreml_evaluator.evaluator")
    assert not found & CONVERTERS
    own = {name.split(".")[1] for name in found if name.startswith("converters.")}
    assert own == {"coreml_evaluator", "reading", "values", "workarounds"}


@pytest.mark.parametrize("module", ["convert", "runtime"])
def test_core_ml_brings_no_framework_of_others(module: str) -> None:
    found = imported_with(f"converters.coreml.{module}")
    assert "coremltools" in found
    assert not found & set(FRAMEWORKS)


@pytest.mark.parametrize("runtime", backends.RUNTIMES, ids=lambda runtime: runtime.name)
def test_module_of_a_runtime_is_what_its_packages_come_with(runtime: backends.Runtime) -> None:
    reason = backends.why_unavailable(runtime)
    if reason is not None:
        pytest.skip(reason)
    assert set(runtime.packages) <= imported_with(runtime.module)
