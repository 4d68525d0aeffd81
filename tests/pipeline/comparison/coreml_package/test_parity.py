"""``pocketbert parity`` on a Core ML package that coremltools alone made."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools.optimize.coreml as cto
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.values.errors import InputError
from pipeline.comparison.coreml_package import parity as package_parity
from pipeline.comparison.coreml_package.parity import LEAST_SNR_DB, PackageParity
from tests.command import Finished, pocketbert
from tests.converters.coreml_evaluator.foreign_networks import convert, example_of
from tests.converters.coreml_evaluator.mil_oracle import mb
from tests.converters.small_models import ct, save
from tests.pipeline.comparison.coreml_package.test_program_archive import (
    pickled_weight,
    read,
    write,
)


class TwoHeads(nn.Module):
    """Takes an image and a number of each kind, and gives floats and a class."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Flatten())
        self.head = nn.Linear(72, 5)
        self.words = nn.Embedding(7, 5)

    def forward(self, image: Tensor, word: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.head(self.body(image)) + self.words(word)
        return scores, scores.argmax(-1)


@pytest.fixture(scope="module")
def program() -> torch.export.ExportedProgram:
    torch.manual_seed(0)
    example = (torch.randn(1, 3, 8, 8), torch.tensor([3]))
    return torch.export.export(TwoHeads().eval(), example)


@pytest.fixture(scope="module")
def folder(program: torch.export.ExportedProgram, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package, its program and two samples; nobody writes to them."""
    made = tmp_path_factory.mktemp("package")
    save(convert(program, fp16=True), made)
    torch.export.save(program, made / "model.pt2")
    np.savez(made / "first.npz", **example_of(program))
    other = {"image": np.ones((1, 3, 8, 8), np.float32), "word": np.array([6], np.int32)}
    np.savez(made / "second.npz", **other)
    return made


def check(folder: Path, *, package: Path | None = None, **changes: Any) -> PackageParity:
    arguments: dict[str, Any] = {
        "reference": folder / "model.pt2",
        "inputs": [folder / "first.npz", folder / "second.npz"],
        "names": ("coreml-reference",),
        "num_threads": 1,
    }
    package = package or folder / "model.mlpackage"
    asked = package_parity.Comparison(package=package, **{**arguments, **changes})
    (verdict,), skipped = package_parity.check(asked)
    assert not skipped
    return verdict


def test_package_passes_beside_its_own_program(folder: Path) -> None:
    verdict = check(folder)

    assert verdict.verdict == "pass", verdict.reason
    assert (verdict.precision, verdict.num_inputs) == ("fp16", 2)
    scores, classes = verdict.outputs
    assert LEAST_SNR_DB["fp16"] < scores.snr_db < 100
    assert 0 < scores.mean_abs_diff < scores.max_abs_diff < 0.01
    assert 0 < scores.relative_error < 0.01
    assert classes.max_abs_diff == 0
    assert verdict.max_abs_diff == scores.max_abs_diff


def test_program_with_one_other_weight_fails_by_the_gate_of_its_output(
    folder: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = TwoHeads().eval()
    with torch.no_grad():
        model.head.bias[2] += 0.5
    example = (torch.randn(1, 3, 8, 8), torch.tensor([3]))
    torch.export.save(torch.export.export(model, example), tmp_path / "other.pt2")

    verdict = check(folder, reference=tmp_path / "other.pt2")

    assert verdict.verdict == "fail"
    assert "the gate is 40" in verdict.reason
    failed = [gate.name for gate in verdict.gates if gate.verdict == "fail"]
    assert failed[0] == f"snr_db of {verdict.outputs[0].name}"


def test_package_that_overflows_fails_and_has_no_number(tmp_path: Path) -> None:
    class Squares(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * x

    program = torch.export.export(Squares(), (torch.full((4,), 300.0),))
    save(convert(program, fp16=True), tmp_path)
    torch.export.save(program, tmp_path / "model.pt2")
    np.savez(tmp_path / "x.npz", **example_of(program))

    verdict = check(tmp_path, inputs=[tmp_path / "x.npz"])

    assert verdict.verdict == "fail"
    assert verdict.to_json()["snr_db"] is None


@pytest.mark.parametrize(
    ("precision", "fp16", "compress"),
    [
        ("fp32", False, None),
        ("int8", True, {"dtype": "int8"}),
        ("int4", True, {"dtype": "int4"}),
    ],
)
def test_gate_follows_what_the_package_stores(
    program: torch.export.ExportedProgram, folder: Path, tmp_path: Path,
    precision: Any, fp16: bool, compress: Any,
) -> None:  # fmt: skip
    model = convert(program, fp16=fp16, target=ct.target.iOS18)
    if compress is not None:
        settings = cto.OpLinearQuantizerConfig(weight_threshold=0, **compress)
        config = cto.OptimizationConfig(global_config=settings)
        model = cto.linear_quantize_weights(model, config)

    verdict = check(folder, package=save(model, tmp_path))

    assert verdict.precision == precision
    assert verdict.gates[0].threshold == LEAST_SNR_DB[verdict.precision]
    assert verdict.gates[0].verdict == "pass", verdict.reason


class Named(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"larger": x + 1, "smaller": x - 1}


def test_outputs_whose_names_agree_go_by_name(tmp_path: Path) -> None:
    program = torch.export.export(Named(), (torch.randn(4),))
    torch.export.save(program, tmp_path / "model.pt2")
    np.savez(tmp_path / "x.npz", **example_of(program))

    @mb.program(input_specs=[mb.TensorSpec((4,))], opset_version=ct.target.iOS17)
    def swapped(x: Any) -> Any:
        return mb.sub(x=x, y=1.0, name="smaller"), mb.add(x=x, y=1.0, name="larger")

    save(ct.convert(swapped, minimum_deployment_target=ct.target.iOS17), tmp_path)

    verdict = check(tmp_path, inputs=[tmp_path / "x.npz"])

    assert [output.name for output in verdict.outputs] == ["smaller", "larger"]
    assert verdict.verdict == "pass", verdict.reason


# The command line ------------------------------------------------------------------------------


def call(folder: Path, *arguments: str | Path) -> Finished:
    return pocketbert("parity", folder / "model.mlpackage", *arguments)


def test_command_prints_a_verdict_for_each_runtime_and_says_what_is_skipped(folder: Path) -> None:
    finished = call(
        folder, "--reference", folder / "model.pt2", "--inputs", folder / "first.npz",
        "--inputs", folder / "second.npz", "--json",
    )  # fmt: skip

    assert finished.code == 0, finished.stderr
    found = finished.json
    assert set(found) == {"parity", "skipped"}
    verdict = found["parity"][0]
    assert {
        "backend", "runtime", "precision", "seq_len", "verdict", "max_abs_diff", "cosine",
        "snr_db", "answer_agreement", "num_inputs", "gates", "reason", "outputs",
    } == set(verdict)  # fmt: skip
    assert (verdict["backend"], verdict["runtime"]) == ("coreml", "coreml-reference")
    assert (verdict["seq_len"], verdict["answer_agreement"]) == (None, None)
    assert verdict["num_inputs"] == 2


def test_command_ends_with_1_where_a_gate_fails(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    example = (torch.randn(1, 3, 8, 8), torch.tensor([3]))
    torch.export.save(torch.export.export(TwoHeads().eval(), example), tmp_path / "other.pt2")

    finished = call(folder, "--reference", tmp_path / "other.pt2", "--inputs", folder / "first.npz")

    assert finished.code == 1
    assert "FAIL" in finished.stdout
    assert "emulation" in finished.stdout


def test_command_runs_nothing_of_a_hostile_program(folder: Path, tmp_path: Path) -> None:
    mark, hostile = tmp_path / "mark", tmp_path / "hostile.pt2"
    entries = read(folder / "model.pt2")
    pickled_weight(entries, mark, name="head.bias")
    write(hostile, entries)

    finished = call(folder, "--reference", hostile, "--inputs", folder / "first.npz", "--json")

    assert finished.code == 2
    assert "stored as a pickle" in finished.error["message"]
    assert not mark.exists()


def _with(**arrays: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.savez(folder / "x.npz", **arrays)


_IMAGE, _WORD = np.zeros((1, 3, 8, 8), np.float32), np.zeros(1, np.int32)


def _program_that_breaks(folder: Path) -> None:
    fewer_words = TwoHeads().eval()
    fewer_words.words = nn.Embedding(2, 5)
    example = (torch.randn(1, 3, 8, 8), torch.tensor([1]))
    torch.export.save(torch.export.export(fewer_words, example), folder / "model.pt2")


def _other_program(folder: Path) -> None:
    program = torch.export.export(Named(), (torch.randn(4),))
    torch.export.save(program, folder / "model.pt2")


def _fewer_outputs(folder: Path) -> None:
    class OneHead(TwoHeads):
        def forward(self, image: Tensor, word: Tensor) -> Tensor:  # type: ignore[override]
            return self.words(word)

    example = (torch.randn(1, 3, 8, 8), torch.tensor([3]))
    torch.export.save(torch.export.export(OneHead().eval(), example), folder / "model.pt2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "x.npz").unlink(), "no file .*x.npz"),
        (lambda f: (f / "x.npz").write_bytes(b"no archive"), "x.npz is no .npz of arrays"),
        (lambda f: np.save((f / "x.npz").open("wb"), _IMAGE), "x.npz is no .npz of arrays"),
        (_with(image=_IMAGE), "x.npz: .* missing word"),
        (_with(image=_IMAGE, word=_WORD, more=_WORD), "x.npz: .* unexpected more"),
        (_with(image=_IMAGE[..., 1:], word=_WORD), r"'image' has shape \(1, 3, 8, 7\), expected"),
        (_with(image=_IMAGE, word=np.zeros(1)), "'word' has dtype float64, expected int32"),
        (_with(image=_IMAGE, word=_WORD + 9), "'gather' .* out of range for size 7"),
        (lambda f: (f / "model.pt2").unlink(), "no file .*model.pt2"),
        (lambda f: (f / "model.pt2").write_bytes(b"no program"), "no saved torch.export program"),
        (_program_that_breaks, "model.pt2 cannot take these inputs"),
        (_other_program, r"takes 1 inputs \(x\), the package 2 \(image, word\)"),
        (_fewer_outputs, "gives 1 outputs, the package 2"),
        (lambda f: shutil.rmtree(f / "model.mlpackage"), "model.mlpackage.* does not exist"),
    ],
)
def test_wrong_input_is_refused_in_one_line(
    folder: Path, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    shutil.copy(broken / "first.npz", broken / "x.npz")
    change(broken)

    with pytest.raises(InputError, match=message):
        check(broken, inputs=[broken / "x.npz"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--inputs", "x.npz"], "needs --reference"),
        (["--reference", "x.pt2"], "needs --inputs"),
        (["--reference", "x.pt2", "--inputs", "x.npz", "--limit", "1"], "--limit"),
        (["--reference", "x.pt2", "--inputs", "x.npz", "--runtime", "litert"], "'litert'"),
    ],
)
def test_call_that_does_not_fit_a_package_ends_with_2(
    folder: Path, arguments: list[str], message: str
) -> None:
    finished = call(folder, *arguments, "--json")

    assert finished.code == 2
    assert message in finished.error["message"]


def test_inputs_beside_a_bundle_end_with_2(tmp_path: Path) -> None:
    finished = pocketbert("parity", tmp_path, "--inputs", "x.npz", "--json")

    assert finished.code == 2
    assert "--inputs" in finished.error["message"]


@pytest.mark.skipif(ct.utils._is_macos(), reason="Apple's runtime is there")
def test_runtime_that_is_not_here_is_skipped_and_nothing_passes(folder: Path) -> None:
    finished = call(
        folder, "--reference", folder / "model.pt2", "--inputs", folder / "first.npz",
        "--runtime", "coreml", "--json",
    )  # fmt: skip

    assert finished.code == 2
    assert "darwin only" in finished.error["message"]
