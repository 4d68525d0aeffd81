"""Tells when a workaround is no longer needed: then its test fails, and the workaround goes."""

import contextlib
import functools
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from executorch.backends.xnnpack import xnnpack_preprocess
from executorch.backends.xnnpack._passes import XNNPACKPassManager
from tokenizers import Tokenizer
from torch._decomp import decomposition_table
from torch._library.simple_registry import singleton as registry
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import (
    DimDynamic,
    ShapeEnv,
    StatelessSymbolicContext,
)

from converters import workarounds
from converters.conversion import Conversion
from converters.coreml.convert import ct
from converters.executorch import convert as executorch
from converters.executorch import lowering
from converters.values.precision import FixedPrecision
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.student.load import Student, load
from pipeline.student.trace import trace
from tests.command import ROOT
from tests.converters.conversion import random_rows
from tests.students import ARCHITECTURES, NUM_POSITIONS, make_model, save_tokenizer

IMPORT_COREMLTOOLS = """
import sys
import coremltools
print({framework!r} in sys.modules)
"""

TORCHAO_OPERATORS = ("choose_qparams_affine", "quantize_affine", "dequantize_affine")

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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_aliases_are_still_in_programs_of_full_length_and_change_nothing(
    students: dict[str, Student], architecture: str
) -> None:
    student = students[architecture]
    program = trace(student, seq_lens=(NUM_POSITIONS,)).program.run_decompositions({})
    assert aliases_in(program) > 0
    rows = random_rows(student, seq_len=NUM_POSITIONS, num_tokens=(NUM_POSITIONS, 20))
    inputs = [{name: torch.from_numpy(each) for name, each in row.items()} for row in rows]
    before = [program.module()(**each) for each in inputs]
    workarounds.remove_aliases(program)
    assert aliases_in(program) == 0
    for own, expected in zip(inputs, before, strict=True):
        for name, values in program.module()(**own).items():
            assert torch.equal(values, expected[name])


def test_coremltools_still_knows_no_aliases() -> None:
    class Whole(torch.nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows[:, :8] + 1

    program = torch.export.export(Whole().eval(), (torch.ones(1, 8),)).run_decompositions({})
    assert aliases_in(program) == 1
    with pytest.raises(NotImplementedError, match="Unsupported fx node alias"):
        ct.convert(program, skip_model_load=True)


def aliases_in(program: torch.export.ExportedProgram) -> int:
    target = torch.ops.aten.alias.default
    return len(program.graph.find_nodes(op="call_function", target=target))


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("framework", workarounds.FRAMEWORKS)
def test_coremltools_still_imports_each_framework_on_its_own_account(framework: str) -> None:
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"nothing to hide where {framework} is not installed")
    finished = run(IMPORT_COREMLTOOLS.format(framework=framework))
    crashed = finished.returncode < 0
    assert crashed or finished.stdout.split()[-1] == "True"


def test_executorch_layer_norm_in_fp16_is_still_wrong() -> None:
    finished = run(FP16_LAYER_NORM)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split()[-1] == "True"


def test_executorch_still_runs_passes_that_find_nothing() -> None:
    passes = [each.__name__ for each in XNNPACKPassManager(None).passes]
    assert set(workarounds.XNNPACK_PASSES_OF_NO_ENCODER) < set(passes)


@pytest.mark.parametrize("operator", TORCHAO_OPERATORS)
def test_torchao_still_has_no_fake_kernel(operator: str) -> None:
    assert registry.find(f"torchao::{operator}").fake_impl.kernel is None


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("block_size", [[1, 1, 8], [1, 5, 8], [1, 1, 4]])
def test_shapes_told_for_torchao_are_those_that_it_gives(
    block_size: list[int], keepdim: bool
) -> None:
    def quantize(hidden: torch.Tensor) -> list[torch.Tensor]:
        operators = torch.ops.torchao
        scales, zeros = operators.choose_qparams_affine(
            hidden, "ASYMMETRIC", block_size, torch.int8, -128, 127, keepdim=keepdim
        )
        taken = hidden, block_size, scales, zeros
        integers = operators.quantize_affine(*taken, torch.int8, -128, 127)
        floats = operators.dequantize_affine(integers, *taken[1:], torch.int8, -128, 127)
        return [scales, zeros, integers, floats]

    hidden = torch.randn(1, 5, 8)
    told = FakeTensorMode(shape_env=ShapeEnv())
    with workarounds.torchao_traced_by_shapes(), told:
        dynamic = told.from_tensor(hidden, symbolic_context=any_length())
        fake = quantize(dynamic)
    for own, real in zip(fake, quantize(hidden), strict=True):
        assert (tuple(map(int, own.shape)), own.dtype) == (tuple(real.shape), real.dtype)


def any_length() -> StatelessSymbolicContext[Any, Any]:
    """Returns what makes the second of three dimensions a symbol."""
    return StatelessSymbolicContext([DimDynamic.STATIC, DimDynamic.DYNAMIC, DimDynamic.STATIC])


def settings_of_libraries() -> list[object]:
    """Returns what workarounds change while they last."""
    return [
        xnnpack_preprocess.XNNPACKPassManager,
        ct.converters.mil.mil.Operation._auto_val,
        [getattr(torch.ops.torchao, name).default in decomposition_table
         for name in TORCHAO_OPERATORS],
        {name: name in sys.modules for name in workarounds.FRAMEWORKS},
    ]  # fmt: skip


@pytest.mark.parametrize("workaround", [
    workarounds.coremltools_without_frameworks,
    functools.partial(workarounds.coremltools_with_bounded_results, lambda count: None),
    workarounds.xnnpack_without_passes_for_images,
    workarounds.torchao_traced_by_shapes,
], ids=["frameworks", "bounded results", "passes", "shapes"])  # fmt: skip
def test_workaround_ends_with_its_block_even_where_that_fails(
    workaround: Callable[[], contextlib.AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workarounds, "FRAMEWORKS", ("contextlib", "a_framework_of_tomorrow"))
    before = settings_of_libraries()
    with pytest.raises(ValueError, match="inside"), workaround():
        assert sys.modules["contextlib"] is contextlib, "what is imported stays"
        assert settings_of_libraries() != before
        raise ValueError("inside")
    assert settings_of_libraries() == before


@pytest.mark.parametrize(
    ("architecture", "precision"),
    [("distilbert", "int8"), ("mobilebert", "fp32"), ("electra", "int4")],
)
def test_executorch_writes_the_same_file_without_its_workarounds(
    tokenizer: Tokenizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    precision: FixedPrecision,
) -> None:
    """One layer has all that a layer has, and without them each takes its time."""
    make_model(architecture, num_layers=1).save_pretrained(tmp_path / "student")
    save_tokenizer(tokenizer, tmp_path / "student")
    traced = trace(load(str(tmp_path / "student")), seq_lens=(32, 64))
    weights = Quantizer(traced.matrices()).model_weights(recipe_of(precision))

    def convert(name: str) -> bytes:
        conversion = Conversion(traced=traced, weights=weights, path=tmp_path / name)
        return executorch.convert(conversion).path.read_bytes()

    without = convert("without")
    every: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    for name in ("xnnpack_without_passes_for_images", "torchao_traced_by_shapes"):
        monkeypatch.setattr(lowering, name, every)
    assert convert("with") == without
