"""``parity`` on what packages people make: classifiers, images, several functions, pipelines."""

import functools
import io
import os
import signal
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools.optimize.coreml as cto
import numpy as np
import pytest
import torch
from coremltools.proto import Model_pb2
from torch import Tensor, nn

from converters.values.errors import InputError
from pipeline.comparison.coreml_package import parity as package_parity
from pipeline.comparison.coreml_package.choice_recorder import ChoiceRecorder
from pipeline.comparison.coreml_package.choices import Choice, settle
from pipeline.comparison.coreml_package.reference import read_sample
from pipeline.comparison.coreml_package.verdict import LEAST_SNR_DB, PackageParity
from tests.command import COMMAND, ROOT, pocketbert, wait_until
from tests.converters.coreml_evaluator.foreign_networks import convert
from tests.converters.coreml_evaluator.test_control import powers
from tests.converters.small_models import ct, save


def check(
    package: Path, folder: Path, *, reference: str = "model.pt2", **changes: Any
) -> tuple[PackageParity, list[str]]:
    asked = package_parity.Comparison(
        package=package,
        reference=folder / reference,
        inputs=[folder / "x.npz"],
        names=("coreml-reference",),
        num_threads=1,
        **changes,
    )
    (verdict,), skipped = package_parity.check(asked)
    return verdict, [each.reason for each in skipped]


def export(model: nn.Module, folder: Path, *example: Tensor, name: str = "model.pt2") -> Any:
    """Saves a model's program, and its example under the names of its inputs."""
    program = torch.export.export(model.eval(), example)
    torch.export.save(program, folder / name)
    names = map(str, program.graph_signature.user_inputs)
    arrays = {key: each.numpy() for key, each in zip(names, example, strict=True)}
    np.savez(folder / "x.npz", **arrays)
    return program


# Positions that choose --------------------------------------------------------------------------


class Scores(nn.Module):
    """Gives the best of many scores, many of which lie closer than fp16 tells apart."""

    def __init__(self, choose: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.mix = nn.Conv2d(4, 6, 1)
        self.choose = choose

    def forward(self, x: Tensor) -> Any:
        return self.choose(self.mix(x).flatten(2).sigmoid().amax(1))


class Flat(nn.Module):
    def __init__(self, choose: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.choose = choose

    def forward(self, x: Tensor) -> Any:
        return self.choose(x)


@pytest.fixture(scope="module")
def topk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("topk")
    torch.manual_seed(0)
    model = Scores(lambda scores: tuple(scores.topk(100)))
    program = export(model, folder, 2 * torch.randn(1, 4, 40, 40))
    save(convert(program, fp16=True), folder)
    return folder


def test_positions_of_scores_that_are_as_good_are_near_ties(topk: Path) -> None:
    verdict, _ = check(topk / "model.mlpackage", topk)

    assert verdict.verdict == "pass", verdict.reason
    assert verdict.outputs[1].num_near_ties > 0
    assert verdict.gates[1].detail == f"{verdict.outputs[1].num_near_ties} near ties count as equal"
    assert verdict.to_json()["outputs"][1]["num_near_ties"] > 0


@pytest.mark.parametrize(
    "choose",
    [
        lambda scores: tuple(scores.topk(100, largest=False)),
        lambda scores: (scores.topk(100)[0], scores.topk(100)[1] + 1),
        lambda scores: (scores.topk(100)[0], scores.topk(100)[1] * 0),
        lambda scores: (scores.topk(100)[0], scores.topk(101)[1][:, 1:]),
        lambda scores: (scores.topk(100)[0], scores.topk(100)[1].flip(-1)),
    ],
    ids=["least", "next", "same", "without the best", "in another order"],
)
def test_wrong_positions_fail(topk: Path, choose: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    wrong = torch.export.export(Scores(choose).eval(), (torch.zeros(1, 4, 40, 40),))

    verdict, _ = check(save(convert(wrong, fp16=True), tmp_path), topk)

    assert verdict.verdict == "fail"
    assert "share of equal numbers" in verdict.reason


def test_constant_scores_do_not_pass_for_ties(topk: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Scores(lambda scores: tuple(scores.topk(100))).eval()
    nn.init.zeros_(model.mix.weight)
    wrong = torch.export.export(model, (torch.zeros(1, 4, 40, 40),))

    verdict, _ = check(save(convert(wrong, fp16=True), tmp_path), topk)

    assert [gate.verdict for gate in verdict.gates] == ["fail", "fail"]


CHOOSERS: dict[str, Callable[[Tensor], Any]] = {
    "argmax": lambda x: x.argmax(-1),
    "argmax of all": lambda x: x.flatten().argmax(0),
    "argmin kept": lambda x: x.argmin(1, keepdim=True),
    "max": lambda x: x.max(1)[1],
    "min": lambda x: x.min(-1).indices,
    "topk inside": lambda x: x.topk(3, dim=1)[1],
    "sort": lambda x: x.sort(dim=-1)[1],
    "argsort": lambda x: x.argsort(dim=1, descending=True),
    "reshaped": lambda x: x.topk(3, dim=-1)[1].reshape(-1, 1).to(torch.int32),
}


@pytest.mark.parametrize("name", CHOOSERS)
def test_scores_behind_every_kind_of_choice_are_found(name: str, tmp_path: Path) -> None:
    """The program's scores differ by less than fp16 tells apart, so the package has real ties."""
    torch.manual_seed(0)
    x = torch.randn(2, 5, 7).clamp(-1.4, 1.4).round() + 1e-5 * torch.randn(2, 5, 7)
    program = export(Flat(CHOOSERS[name]), tmp_path, x)
    package = save(convert(program, fp16=True), tmp_path)
    (tmp_path / "wrong").mkdir()
    turned = torch.export.export(Flat(lambda x: CHOOSERS[name](-x)).eval(), (x,))
    wrong = save(convert(turned, fp16=True), tmp_path / "wrong")

    found, _ = check(package, tmp_path)
    failed, _ = check(wrong, tmp_path)

    assert found.verdict == "pass", found.reason
    assert found.outputs[0].num_near_ties > 0
    assert failed.verdict == "fail"


def test_choice_among_all_scores_counts_through_them() -> None:
    scores = torch.randn(2, 3)
    with torch.no_grad(), ChoiceRecorder() as recorder:
        best = scores.argmax().to(torch.int32).reshape(1, 1)
        other = scores.long() + 1

    choice = recorder.of(best)

    assert choice is not None
    assert choice.scores.shape == (6,)
    assert choice.in_rows(best.numpy()).shape == (1, 1)
    assert recorder.of(other) is None


def test_settle_takes_no_position_twice_nor_one_out_of_range() -> None:
    choice = Choice(scores=np.ones((2, 5)), axis=1)
    expected = np.array([[0, 1], [0, 1]])
    rules: dict[str, Any] = {"choice": choice, "precision": "fp16", "snr_db": 40}

    assert settle(np.array([[2, 3], [4, 0]]), expected, **rules)[2] == 4
    assert settle(np.array([[2, 2], [4, 0]]), expected, **rules)[2] == 0
    assert settle(np.array([[2, 5], [4, 0]]), expected, **rules)[2] == 0
    assert settle(np.array([[2, -1], [4, 0]]), expected, **rules)[2] == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_settle_judges_by_the_noise_of_the_scores(axis: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3, 4, 5))
    expected = scores.argmax(axis)
    second = np.argsort(scores, axis).take(-2, axis)
    best = np.take_along_axis(scores, np.expand_dims(expected, axis), axis)
    gaps = (best - np.take_along_axis(scores, np.expand_dims(second, axis), axis)).squeeze(axis)
    rms = np.sqrt(np.square(scores).mean())

    for gap in (gaps.min() * 0.9, np.median(gaps), gaps.max() * 1.1):
        snr_db = -20 * np.log10(gap / 3 / rms)
        settled, wanted, count = settle(
            second, expected, choice=Choice(scores=scores, axis=axis), precision="fp32",
            snr_db=snr_db,
        )  # fmt: skip
        assert count == (gaps <= gap).sum() == (settled == wanted).sum()


# Classifiers and images -------------------------------------------------------------------------


def network(channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 5), nn.Softmax(-1)
    ).eval()


def traced(model: nn.Module, example: Tensor, **settings: Any) -> ct.models.MLModel:
    return ct.convert(
        torch.jit.trace(model, example),
        minimum_deployment_target=ct.target.iOS17,
        skip_model_load=True,
        **settings,
    )


@pytest.mark.parametrize("labels", [["a", "b", "c", "d", "e"], [10, 20, 30, 40, 50]])
def test_classifier_is_judged_by_probabilities_and_label(labels: list[Any], tmp_path: Path) -> None:
    model, x = network(), torch.randn(1, 3, 8, 8)
    export(model, tmp_path, x)
    settings: dict[str, Any] = {
        "inputs": [ct.TensorType(name="input", shape=x.shape)],
        "classifier_config": ct.ClassifierConfig(labels),
    }
    package = save(traced(model, x, **settings), tmp_path)
    (tmp_path / "other").mkdir()
    with torch.no_grad():
        model[3].bias[int(model(x).argmin())] += 3
    wrong = save(traced(model, x, **settings), tmp_path / "other")

    right, _ = check(package, tmp_path)
    failed, _ = check(wrong, tmp_path)

    assert right.verdict == "pass", right.reason
    assert len(right.outputs) == 2
    assert not np.isnan(right.cosine)
    assert [gate.verdict for gate in failed.gates] == ["fail", "fail"]


@pytest.mark.parametrize(
    ("layout", "channels", "bias"),
    [
        (ct.colorlayout.RGB, 3, [-0.5, 0.1, -0.3]),
        (ct.colorlayout.BGR, 3, [0, 0, 0]),
        (ct.colorlayout.GRAYSCALE, 1, 0.25),
    ],
)
def test_image_goes_as_pixels_and_the_program_gets_what_the_package_makes_of_them(
    layout: Any, channels: int, bias: Any, tmp_path: Path
) -> None:
    model, x = network(channels), torch.rand(1, channels, 8, 8)
    export(model, tmp_path, x)
    pixels = np.random.default_rng(0).integers(0, 256, x.shape, np.uint8)
    np.savez(tmp_path / "x.npz", image=pixels)
    image = ct.ImageType(
        name="image", shape=x.shape, scale=1 / 127.5, bias=bias, color_layout=layout
    )
    package = save(traced(model, x, inputs=[image]), tmp_path)

    verdict, _ = check(package, tmp_path)

    assert verdict.verdict == "pass", verdict.reason
    np.savez(tmp_path / "x.npz", image=pixels / 127.5 - 1)
    with pytest.raises(InputError, match="pixels go from 0 to 255"):
        check(package, tmp_path)
    np.savez(tmp_path / "x.npz", image=pixels[0])
    with pytest.raises(InputError, match="has shape"):
        check(package, tmp_path)


# Compressed weights -----------------------------------------------------------------------------


class Wide(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("grouped", [False, True])
def test_palettes_are_judged_by_their_bits(bits: int, grouped: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    program = export(Wide(), tmp_path, torch.randn(4, 64))
    plain = convert(program, fp16=True, target=ct.target.iOS18)
    group: dict[str, Any] = {"granularity": "per_grouped_channel", "group_size": 16}
    config = cto.OptimizationConfig(
        global_config=cto.OpPalettizerConfig(
            mode="kmeans", nbits=bits, weight_threshold=0, **(group if grouped else {})
        )
    )
    compressed = cto.palettize_weights(plain, config)

    verdict, _ = check(save(compressed, tmp_path), tmp_path)

    assert verdict.precision == f"int{bits}"
    assert verdict.gates[0].threshold == LEAST_SNR_DB[f"int{bits}"]
    assert verdict.verdict == "pass", verdict.reason

    # Beside the weights that it stores, as coremltools expands them, fp16 alone is left.
    (tmp_path / "plain").mkdir()
    expanded = save(cto.decompress_weights(compressed), tmp_path / "plain")
    other, _ = check(expanded, tmp_path)
    assert other.precision == "fp16"
    assert other.snr_db == pytest.approx(verdict.snr_db, abs=1e-6)


def test_gates_fall_with_the_bits() -> None:
    gates = [LEAST_SNR_DB[f"int{bits}"] for bits in range(1, 9)]

    assert gates == sorted(gates)
    assert all(gate > 0 for gate in gates)
    assert gates[-1] < LEAST_SNR_DB["fp16"] < LEAST_SNR_DB["fp32"]


# Functions and pipelines ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with a function for one row and one for four, and their programs."""
    folder = tmp_path_factory.mktemp("functions")
    several = ct.utils.MultiFunctionDescriptor()
    for name, rows in (("one", 1), ("four", 4)):
        torch.manual_seed(0)
        program = export(Wide(), folder, torch.randn(rows, 64), name=f"{name}.pt2")
        (folder / "x.npz").rename(folder / f"{name}.npz")
        part = folder / name
        part.mkdir()
        path = save(convert(program, fp16=True, target=ct.target.iOS18), part)
        several.add_function(str(path), "main", name)
    several.default_function_name = "one"
    ct.utils.save_multifunction(several, str(folder / "model.mlpackage"))
    return folder


@pytest.mark.parametrize(("function", "seen", "other"), [
    (None, "one", "four"), ("one", "one", "four"), ("four", "four", "one"),
])  # fmt: skip
def test_function_is_chosen_and_the_other_is_named(
    functions: Path, function: str | None, seen: str, other: str
) -> None:
    asked = package_parity.Comparison(
        package=functions / "model.mlpackage",
        reference=functions / f"{seen}.pt2",
        inputs=[functions / f"{seen}.npz"],
        names=("coreml-reference",),
        function=function,
        num_threads=1,
    )
    (verdict,), skipped = package_parity.check(asked)

    assert verdict.verdict == "pass", verdict.reason
    assert verdict.to_json()["function"] == seen
    assert [each.reason for each in skipped] == [
        f"function {other!r} was not compared: --function {other}"
    ]


def test_unknown_function_lists_those_that_exist(functions: Path) -> None:
    (functions / "x.npz").write_bytes((functions / "four.npz").read_bytes())

    with pytest.raises(InputError, match="no function 'five', it has four, one"):
        check(functions / "model.mlpackage", functions, reference="four.pt2", function="five")


def test_command_chooses_a_function_and_says_what_it_did_not_see(functions: Path) -> None:
    finished = pocketbert(
        "parity", functions / "model.mlpackage", "--reference", functions / "four.pt2",
        "--inputs", functions / "four.npz", "--function", "four",
    )  # fmt: skip

    assert finished.code == 0, finished.stderr
    assert "four: " in finished.stdout
    assert "function 'one' was not compared" in finished.stdout


def _pipeline(folder: Path) -> Path:
    torch.manual_seed(0)
    first, second = Wide().eval(), nn.Linear(32, 3).eval()
    x = torch.randn(1, 64)
    export(nn.Sequential(first, second), folder, x)
    named: dict[str, Any] = {"outputs": [ct.TensorType(name="h", dtype=np.float32)]}
    one = traced(first, x, inputs=[ct.TensorType(name="input", shape=(1, 64))], **named)
    named = {"outputs": [ct.TensorType(name="y", dtype=np.float32)]}
    two = traced(second, x[:, :32], inputs=[ct.TensorType(name="h", shape=(1, 32))], **named)
    return save(ct.utils.make_pipeline(one, two), folder)


def test_pipeline_of_programs_is_compared_whole(tmp_path: Path) -> None:
    package = _pipeline(tmp_path)

    verdict, skipped = check(package, tmp_path)

    assert verdict.verdict == "pass", verdict.reason
    assert [output.name for output in verdict.outputs] == ["y"]
    assert not skipped


def _change_spec(package: Path, change: Callable[[Any], None]) -> None:
    file = package / "Data/com.apple.CoreML/model.mlmodel"
    spec = Model_pb2.Model.FromString(file.read_bytes())
    change(spec)
    file.write_bytes(spec.SerializeToString())


def _as_suppression(model: Any) -> None:
    model.ClearField("mlProgram")
    model.nonMaximumSuppression.iouThreshold = 0.5


def test_programs_before_another_part_are_compared_and_the_part_is_named(tmp_path: Path) -> None:
    package = _pipeline(tmp_path)
    torch.manual_seed(0)
    export(Wide(), tmp_path, torch.randn(1, 64))
    np.savez(tmp_path / "x.npz", input=np.load(tmp_path / "x.npz")["x"])
    _change_spec(package, lambda spec: _as_suppression(spec.pipeline.models[1]))

    verdict, skipped = check(package, tmp_path)

    assert verdict.verdict == "pass", verdict.reason
    assert [output.name for output in verdict.outputs] == ["h"]
    assert skipped == ["part 2 of the pipeline, a nonMaximumSuppression, was not compared"]


def test_pipeline_that_begins_with_another_part_is_refused_with_a_hint_that_fits(
    tmp_path: Path,
) -> None:
    package = _pipeline(tmp_path)
    _change_spec(package, lambda spec: _as_suppression(spec.pipeline.models[0]))

    with pytest.raises(InputError, match="begins with a nonMaximumSuppression") as caught:
        check(package, tmp_path)
    assert "alone" in caught.value.hint


# Values that are no numbers ---------------------------------------------------------------------


class Attention(nn.Module):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(x, x, x, mask > 0)


@pytest.mark.parametrize("target", [ct.target.iOS17, ct.target.iOS18])
def test_attention_row_that_is_masked_whole_fails(target: ct.target, tmp_path: Path) -> None:
    mask = torch.ones(1, 1, 4, 4)
    program = export(Attention(), tmp_path, torch.randn(1, 2, 4, 8), mask)
    package = save(convert(program, fp16=False, target=target), tmp_path)
    arrays = dict(np.load(tmp_path / "x.npz"))

    passed, _ = check(package, tmp_path)
    arrays["mask"][..., 2, :] = 0
    np.savez(tmp_path / "x.npz", **arrays)
    failed, _ = check(package, tmp_path)

    assert passed.verdict == "pass", passed.reason
    assert failed.verdict == "fail"
    # Before iOS 18 the converter writes a number in place of minus infinity.
    assert target < ct.target.iOS18 or "values are not finite" in failed.reason


# Samples that declare too much ------------------------------------------------------------------


def _header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (_header((10**6, 10**6)), zipfile.ZIP_STORED, "declares 4,000,000,000,000 bytes"),
        (_header((2**26,)) + bytes(2**28), zipfile.ZIP_DEFLATED, "unpacks to"),
        (_header((-1, 4)), zipfile.ZIP_STORED, "no .npz of arrays"),
        (b"\x93NUMPY\x01\x00\xff\xff", zipfile.ZIP_STORED, "no .npz of arrays"),
        (b"\x80\x04K\x01.", zipfile.ZIP_STORED, "no .npz of arrays"),
    ],
)
def test_sample_that_declares_too_much_is_refused(
    content: bytes, kind: int, message: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", kind) as archive:
        archive.writestr("x.npy", content)

    with pytest.raises(InputError, match=message):
        read_sample(tmp_path / "x.npz")


def test_packed_sample_of_plain_size_is_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1000, 1000)), y=np.arange(3, dtype=">i4"))

    found = read_sample(tmp_path / "x.npz")

    assert found["x"].shape == (1000, 1000)
    assert found["y"].tolist() == [0, 1, 2]


# In a process of its own ------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_command_ends_when_it_is_told_to_whatever_the_package_does(
    sign: signal.Signals, tmp_path: Path
) -> None:
    package = powers(tmp_path, rounds=10**9)
    export(nn.ReLU(), tmp_path, torch.zeros(3))
    np.savez(tmp_path / "x.npz", x=np.zeros(3, np.float32))
    process = subprocess.Popen(
        [*COMMAND, "parity", package, "--reference", tmp_path / "model.pt2", "--inputs",
         tmp_path / "x.npz"],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL,
        # Where the tests run in the background of a shell, Ctrl-C is ignored.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert wait_until(lambda: any(tmp_path.rglob("pocketbert-*/log")), seconds=60)

    process.send_signal(sign)

    assert process.wait(timeout=60) in (130, -sign)
