"""The Neural Engine's layout: each rewrite computes the same, and the whole reshapes nothing."""

import copy
import dataclasses
import inspect
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.coreml import backend
from converters.coreml.layout import REWRITES, channels_first
from converters.coreml_evaluator.reader import read_program
from converters.reading.layer_norms import taps
from converters.values.artifact import Artifact
from converters.values.precision import FIXED_PRECISIONS, FixedPrecision
from converters.values.program import TracedModel
from pipeline.comparison.localize import localize
from pipeline.comparison.runtimes import run_student
from pipeline.conversion.audit import find_problems
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.student.blocks import norm_blocks, run_blocks
from pipeline.student.emulation import with_integers
from pipeline.student.load import Student
from pipeline.student.trace import trace
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.converters.conversion import (
    SEQ_LENS,
    assert_no_block_is_alarming,
    convert_all,
    random_rows,
    run,
)
from tests.runs import quiet_run
from tests.students import ARCHITECTURES, vary_norms_and_biases

SEQ_LEN = 32
NUM_LAYERS, NUM_HEADS = 2, 4
VALUE = "model.distilbert.transformer.layer.1.attention.v_lin.weight"
ATEN = torch.ops.aten
GONE = {
    "convolve": (ATEN.linear.default, 0),
    "normalize_channels": (ATEN.layer_norm.default, 0),
    "attend_by_head": (ATEN.bmm.default, 0),
    # At the start and the end, the mask, and the keys of each layer.
    "keep_channels": (ATEN.transpose.int, 3 + NUM_LAYERS),
}
"""What there is less of after a rewrite, and how much of it remains."""


@pytest.fixture(scope="module")
def varied(students: dict[str, Student]) -> dict[str, Student]:
    """The students, with norms and biases that are not those of a model that was never trained."""
    made = {}
    for name, student in students.items():
        model = copy.deepcopy(student.model)
        vary_norms_and_biases(model)
        made[name] = dataclasses.replace(student, model=model)
    return made


@pytest.fixture(scope="module")
def traces(varied: dict[str, Student]) -> dict[str, TracedModel]:
    return {name: trace(student, seq_lens=(SEQ_LEN,)) for name, student in varied.items()}


@pytest.fixture(scope="module")
def packages(
    varied: dict[str, Student], tmp_path_factory: pytest.TempPathFactory
) -> dict[FixedPrecision, Artifact]:
    """The DistilBERT in this layout at every precision, at two lengths."""
    return convert_all(
        varied["distilbert"], "coreml", FIXED_PRECISIONS, tmp_path_factory.mktemp("channels"),
        seq_lens=SEQ_LENS, compute_units="cpu-and-ne",
    )  # fmt: skip


# The rewrites, on the traced program


@pytest.mark.parametrize("count", range(1, 1 + len(REWRITES)),
                         ids=[rewrite.__name__ for rewrite in REWRITES])  # fmt: skip
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_program_computes_the_same_after_each_rewrite(
    traces: dict[str, TracedModel], varied: dict[str, Student], architecture: str, count: int
) -> None:
    traced = traces[architecture]
    program = rewritten(traced, count)
    for row in random_rows(varied[architecture], seq_len=SEQ_LEN, num_tokens=(SEQ_LEN, 11)):
        inputs = {name: torch.from_numpy(value) for name, value in row.items()}
        expected, actual = run_program(traced.program, inputs), run_program(program, inputs)
        assert [*actual] == list(traced.output_names)
        for name, logits in actual.items():
            torch.testing.assert_close(logits, expected[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", range(1, 1 + len(REWRITES)),
                         ids=[rewrite.__name__ for rewrite in REWRITES])  # fmt: skip
def test_rewrite_leaves_nothing_of_what_it_rewrites(
    traces: dict[str, TracedModel], count: int
) -> None:
    target, remaining = GONE[REWRITES[count - 1].__name__]
    before = rewritten(traces["distilbert"], count - 1)
    after = rewritten(traces["distilbert"], count)
    assert num_calls(after, target) == remaining < num_calls(before, target)


def test_mobilebert_turns_its_embeddings_once_and_its_norms_of_factors_never(
    traces: dict[str, TracedModel],
) -> None:
    program = rewritten(traces["mobilebert"], len(REWRITES))
    # Its embeddings end in a linear layer, to which other embeddings are added as tokens.
    assert num_calls(program, ATEN.transpose.int) == 5 + NUM_LAYERS


@pytest.mark.parametrize("gain", [0.0, -1e-30, 1e-42])
def test_norm_with_a_vanishing_gain_keeps_its_bias(gain: float) -> None:
    norm = nn.LayerNorm(8)
    with torch.no_grad():
        norm.weight[3], norm.bias[3] = gain, 0.7
    check_equal(norm, torch.randn(1, 5, 8))


def test_weight_that_is_an_embedding_too_stays_a_matrix() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(20, 8)
            self.own = nn.Linear(8, 8)

        def forward(self, ids: Tensor) -> Tensor:
            return nn.functional.linear(self.own(self.words(ids)), self.words.weight)

    program = check_equal(Tied(), torch.randint(20, (1, 5)))
    assert num_calls(program, ATEN.linear.default) == 1
    assert num_calls(program, ATEN.conv2d.default) == 1


def test_linear_layer_over_one_token_stays_as_it_is() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            pooled: Tensor = self.second(torch.tanh(self.first(x))[:, 0])
            return pooled

    program = check_equal(Pooled(), torch.randn(1, 5, 8))
    assert num_calls(program, ATEN.linear.default) == 1


@pytest.mark.parametrize(
    "attend",
    [
        lambda x: torch.bmm(torch.softmax(torch.bmm(x, x.mT), -1), x),
        lambda x: torch.bmm(torch.softmax(torch.bmm(x, x.mT) + 1.0, -1), x),
        lambda x: torch.bmm(torch.softmax(torch.bmm(x * 0.5, x.mT) + x[:, :1, :1], -1), x),
        lambda x: torch.bmm(torch.softmax(torch.bmm(x * x, x.mT) + x.mean(), -1), x),
        lambda x: torch.softmax(x + x.mT.mT, -1),
    ],
    ids=["no mask", "number for a mask", "mask of tokens", "no scaling", "no products"],
)
def test_attention_of_another_form_stays_as_it_is(attend: Callable[[Tensor], Tensor]) -> None:
    class Foreign(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return attend(self.inner(x))

    program = check_equal(Foreign(), torch.randn(1, 5, 8))
    assert num_calls(program, ATEN.softmax.int) == 1
    assert num_calls(program, ATEN.einsum.default) == 0


# The finished package


def test_package_computes_what_the_student_computes_at_each_length(
    packages: dict[FixedPrecision, Artifact], varied: dict[str, Student]
) -> None:
    student = varied["distilbert"]
    rows = [
        row
        for seq_len in SEQ_LENS
        for row in random_rows(student, seq_len=seq_len, num_tokens=(seq_len, 9))
    ]
    outputs = run(packages, "coreml-reference", rows)
    matrices = trace(student, seq_lens=SEQ_LENS).matrices()
    tolerances = {"fp32": 1e-4, "fp16": 0.05, "int8": 0.05, "int4": 0.05}
    for precision in FIXED_PRECISIONS:
        weights = Quantizer(matrices).model_weights(recipe_of(precision))
        expected = run_student(with_integers(student, weights), rows).outputs
        for wanted, found in zip(expected, outputs[precision], strict=True):
            for name, logits in wanted.items():
                np.testing.assert_allclose(found[name], logits, atol=tolerances[precision])


@pytest.mark.parametrize("precision", FIXED_PRECISIONS)
def test_package_holds_what_its_precision_promises(
    packages: dict[FixedPrecision, Artifact], varied: dict[str, Student], precision: FixedPrecision
) -> None:
    assert audit(packages[precision], varied["distilbert"], precision) == []


@pytest.mark.parametrize("precision", ["fp16", "int4"])
def test_package_of_one_length_holds_the_kernels_of_mobilebert(
    varied: dict[str, Student], precision: FixedPrecision, tmp_path: Path
) -> None:
    # Factors follow its linear layers, which coremltools would multiply into the kernels.
    student = varied["mobilebert"]
    made = convert_all(
        student, "coreml", (precision,), tmp_path, seq_lens=(SEQ_LEN,), compute_units="cpu-and-ne"
    )  # fmt: skip
    assert audit(made[precision], student, precision) == []


@pytest.mark.parametrize("precision", FIXED_PRECISIONS)
def test_package_reshapes_nothing_and_turns_nothing_but_keys(
    packages: dict[FixedPrecision, Artifact], precision: FixedPrecision
) -> None:
    for function in read_program(packages[precision].path).functions.values():
        counts = Counter(operation.op_type for operation in function.operations)
        assert counts["reshape"] == counts["linear"] == counts["matmul"] == 0
        assert counts["transpose"] == 3 + NUM_LAYERS
        # At the start: two of the mask, one of the embeddings; at the end, one a logit and theirs.
        assert (counts["expand_dims"], counts["squeeze"]) == (3, 3)
        assert counts["layer_norm"] == 1 + 2 * NUM_LAYERS
        assert counts["conv"] == 1 + 6 * NUM_LAYERS
        assert counts["einsum"] == 2 * counts["softmax"] == 2 * NUM_HEADS * NUM_LAYERS
        assert counts["concat"] == NUM_LAYERS


def test_compute_units_choose_the_layout_and_not_the_arithmetic(
    varied: dict[str, Student], packages: dict[FixedPrecision, Artifact], tmp_path: Path
) -> None:
    channels = packages["int8"]
    tokens = convert_all(
        varied["distilbert"], "coreml", ("int8",), tmp_path, seq_lens=SEQ_LENS,
        compute_units="cpu-and-gpu",
    )["int8"]  # fmt: skip
    assert (channels.compute_units, tokens.compute_units) == ("cpu-and-ne", "cpu-and-gpu")
    for function in read_program(tokens.path).functions.values():
        assert not any(operation.op_type == "conv" for operation in function.operations)
    found, usual = backend.inspect(channels.path), backend.inspect(tokens.path)
    assert found.num_macs == usual.num_macs > 0
    assert found.bytes_by_dtype["int8"] == usual.bytes_by_dtype["int8"]


def test_block_outputs_of_a_tapped_package_are_the_students(
    packages: dict[FixedPrecision, Artifact], varied: dict[str, Student], tmp_path: Path
) -> None:
    student = varied["distilbert"]
    tapped = backend.tap(packages["fp32"], path=tmp_path / backend.FILE_NAME)
    names = [spec.name for spec in taps(len(norm_blocks(student)))]
    assert [spec.name for spec in tapped.outputs[2:]] == names
    (row,) = random_rows(student, seq_len=SEQ_LENS[-1], num_tokens=(SEQ_LENS[-1],))
    found = run({"fp32": tapped}, "coreml-reference", [row])["fp32"][0]
    own = run_blocks(student, row)
    for tap, block in zip(names, norm_blocks(student), strict=True):
        np.testing.assert_allclose(found[tap][0, :, 0].T, own[block], atol=1e-4)


def test_good_package_raises_no_alarm_at_any_precision(
    packages: dict[FixedPrecision, Artifact], varied: dict[str, Student]
) -> None:
    assert_no_block_is_alarming(varied["distilbert"], packages, "coreml-reference")


def test_layer_that_is_damaged_in_the_file_is_named(
    packages: dict[FixedPrecision, Artifact], varied: dict[str, Student], tmp_path: Path
) -> None:
    student = varied["distilbert"]
    path = Path(shutil.copytree(packages["int8"].path, tmp_path / backend.FILE_NAME))
    matrices = trace(student, seq_lens=SEQ_LENS).matrices()
    values = Quantizer(matrices).model_weights(recipe_of("int8")).integers[VALUE].values
    (file,) = path.rglob("weight.bin")
    content = file.read_bytes()
    assert content.count(values.tobytes()) == 1
    file.write_bytes(content.replace(values.tobytes(), bytes(values.nbytes)))
    (found,) = localize(
        student,
        [dataclasses.replace(packages["int8"], path=path)],
        examples=labelled_questions(),
        names=("coreml-reference",),
        run=quiet_run(),
    )
    assert [each.name for each in found.blocks if each.verdict == "fail"] == ["layer.1.attention"]


def rewritten(traced: TracedModel, count: int) -> torch.export.ExportedProgram:
    """Returns the program after the first rewrites."""
    inputs = traced.sample_inputs(SEQ_LEN)
    return channels_first(traced.program, inputs, rewrites=REWRITES[:count])


def check_equal(network: nn.Module, given: Tensor) -> torch.export.ExportedProgram:
    """Returns the rewritten program of a network of one input, once it was seen to be equal."""
    network = network.eval()
    (name,) = inspect.signature(network.forward).parameters
    exported = torch.export.export(network, (), {name: given})
    program = channels_first(exported, {name: given})
    with torch.inference_mode():
        expected, actual = network(given), program.module(check_guards=False)(**{name: given})
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)
    return program


def run_program(
    program: torch.export.ExportedProgram, inputs: dict[str, Tensor]
) -> dict[str, Tensor]:
    with torch.inference_mode():
        outputs: dict[str, Tensor] = program.module(check_guards=False)(**inputs)
    return outputs


def num_calls(program: torch.export.ExportedProgram, target: object) -> int:
    return sum(node.target == target for node in program.graph.nodes)


def audit(artifact: Artifact, student: Student, precision: FixedPrecision) -> list[str]:
    originals = trace(student, seq_lens=artifact.seq_lens).matrices()
    weights = Quantizer(originals).model_weights(recipe_of(precision))
    return find_problems(backend.read_matrices(artifact.path), weights=weights, originals=originals)
