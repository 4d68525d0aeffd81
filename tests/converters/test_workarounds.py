"""Tells when a workaround is no longer needed: then its test fails, and the workaround goes."""

import contextlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from executorch.backends.xnnpack._passes import XNNPACKPassManager

from converters import executorch, workarounds, xnnpack_lowering
from pipeline.load import Student
from pipeline.precision import FixedPrecision
from pipeline.quantize import Quantizer
from pipeline.recipe import recipe_of
from pipeline.trace import trace

IMPORT_COREMLTOOLS = """
import sys
import coremltools
print("tensorflow" in sys.modules)
"""

IMPORT_BACKEND = """
import sys
import converters.coreml
print("tensorflow" in sys.modules)
"""

FP16_LAYER_NORM = """
import torch
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime

class Norm(torch.nn.Module):
    def forward(self, hidden):
        return torch.nn.functional.layer_norm(hidden, [384], None, None, 1e-12).float()

hidden = torch.randn(1, 64, 384, generator=torch.Generator().manual_seed(0)).half() / 10
program = to_edge_transform_and_lower(torch.export.export(Norm(), (hidden,)))
method = Runtime.get().load_program(program.to_executorch().buffer).load_method("forward")
(actual,) = method.execute([hidden])
print(bool((actual - Norm()(hidden)).abs().max() > 0.1))
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="nothing to hide where TensorFlow is not installed",
)
def test_coremltools_still_imports_tensorflow_on_its_own_account() -> None:
    finished = run(IMPORT_COREMLTOOLS)
    crashed = finished.returncode < 0
    assert crashed or finished.stdout.split()[-1] == "True"


def test_coreml_backend_imports_without_tensorflow() -> None:
    finished = run(IMPORT_BACKEND)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split()[-1] == "False"


def test_executorch_layer_norm_in_fp16_is_still_wrong() -> None:
    finished = run(FP16_LAYER_NORM)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split()[-1] == "True"


def test_executorch_still_runs_passes_that_find_nothing() -> None:
    passes = [each.__name__ for each in XNNPACKPassManager(None).passes]
    assert set(workarounds.XNNPACK_PASSES_OF_NO_ENCODER) < set(passes)


@pytest.mark.parametrize(
    ("architecture", "precision"),
    [("distilbert", "int8"), ("mobilebert", "fp32"), ("electra", "int4")],
)
def test_executorch_writes_the_same_file_without_those_passes(
    students: dict[str, Student],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    precision: FixedPrecision,
) -> None:
    traced = trace(students[architecture], seq_lens=(32, 64))
    weights = Quantizer(traced.matrices()).model_weights(recipe_of(precision))

    def convert(name: str) -> bytes:
        return executorch.convert(traced, weights=weights, path=tmp_path / name).path.read_bytes()

    without = convert("without")
    every: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    monkeypatch.setattr(xnnpack_lowering, "xnnpack_without_passes_for_images", every)
    assert convert("with") == without
