"""``parity --localize`` on real bundles: silent on good ones, names the block that is damaged."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from converters.values.errors import InputError
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.student.blocks import norm_blocks, run_blocks
from pipeline.student.load import Student, load
from pipeline.student.trace import trace
from tests.bundles import restate
from tests.command import Finished, pocketbert
from tests.converters.conversion import random_rows
from tests.students import make_model, save_tokenizer

SEQ_LEN = 48
BLOCKS = [
    "embeddings", "layer.0.attention", "layer.0.ffn", "layer.1.attention", "layer.1.ffn", "head",
]  # fmt: skip
FILES = {
    "executorch": "executorch/model.pte",
    "tflite": "tflite/model.tflite",
    "coreml": "coreml/model.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
}
RUNTIMES = {"executorch": "executorch", "tflite": "litert", "coreml": "coreml-reference"}

LAYER = "model.distilbert.transformer.layer"
QUERY = f"{LAYER}.0.attention.q_lin.weight"
FIRST, SECOND = f"{LAYER}.0.ffn.lin1.weight", f"{LAYER}.1.ffn.lin2.weight"
VALUE = f"{LAYER}.1.attention.v_lin.weight"
WORDS = "model.distilbert.embeddings.word_embeddings.weight"
OUTPUTS = "model.qa_outputs.weight"


@pytest.fixture(scope="module")
def student(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Student:
    """A DistilBERT whose norms and biases are not those of a model that was never trained."""
    folder = tmp_path_factory.mktemp("student")
    model = make_model("distilbert", seed=3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.3)
            elif "layer_norm" in name or "LayerNorm" in name:
                parameter.uniform_(0.5, 1.5)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return load(str(folder))


@pytest.fixture(scope="module")
def bundle(student: Student, squad_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("localize") / "bundle"
    finished = pocketbert(
        "build", student.folder, "-o", folder, "--precision", "int8", "--seq-len", str(SEQ_LEN),
        "--data", squad_file, "--json", timeout=900,
    )  # fmt: skip
    assert finished.code in (0, 1), finished.stdout + finished.stderr
    return folder


def test_good_bundle_raises_no_alarm_and_is_drawn(
    bundle: Path, squad_file: Path, tmp_path: Path
) -> None:
    found = localization(localize(bundle, squad_file, "--report", tmp_path))
    assert set(found) == set(RUNTIMES)
    for each in found.values():
        assert each["first_block"] is None
        assert each["reason"] == ""
        assert each["seq_len"] == SEQ_LEN
        assert [block["name"] for block in each["blocks"]] == BLOCKS
        for block in each["blocks"]:
            # Far from the tolerance, so that no other seed comes near it.
            assert block["local_snr_db"] > each["tolerance_db"] + 8
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(f">{block}</text>" in page for block in BLOCKS)
    assert all(f"{runtime} int8" in page for runtime in RUNTIMES.values())


@pytest.mark.parametrize(
    "damaged",
    [
        {"executorch": "layer.0.attention", "tflite": "layer.1.ffn", "coreml": "embeddings"},
        pytest.param(
            {"executorch": "embeddings", "tflite": "head", "coreml": "layer.1.attention"},
            marks=pytest.mark.soak,
        ),
        pytest.param(
            {"executorch": "layer.0.ffn", "tflite": "layer.0.attention", "coreml": "layer.1.ffn"},
            marks=pytest.mark.soak,
        ),
    ],
    ids=lambda damaged: ",".join(damaged.values()),
)
def test_damaged_block_of_each_finished_file_is_named(
    bundle: Path, student: Student, squad_file: Path, tmp_path: Path, damaged: dict[str, str]
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    for backend, block in damaged.items():
        damage(copy / FILES[backend], *fault(student, block, halves=backend == "coreml"))
    restate(copy)
    finished = localize(copy, squad_file)
    assert finished.code == 1
    found = localization(finished)
    assert {backend: each["first_block"] for backend, each in found.items()} == damaged
    for backend, each in found.items():
        assert [b["name"] for b in each["blocks"] if b["verdict"] == "fail"] == [damaged[backend]]


def test_table_and_one_line_name_the_damaged_block(
    bundle: Path, student: Student, squad_file: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    damage(copy / FILES["tflite"], *fault(student, "layer.0.ffn", halves=False))
    restate(copy)
    finished = pocketbert(
        "parity",
        copy,
        "--data",
        squad_file,
        "--limit",
        "1",
        "--runtime",
        "litert",
        "--localize",
        timeout=600,
    )
    assert finished.code == 1
    assert "the first block that is wrong is layer.0.ffn" in finished.stdout
    (row,) = (line for line in finished.stdout.splitlines() if line.strip().startswith("head "))
    assert row.split()[-1] == "PASS"


def test_file_that_does_not_load_is_no_pass(bundle: Path, squad_file: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    path = copy / FILES["tflite"]
    path.write_bytes(path.read_bytes()[:1000])
    restate(copy)
    finished = localize(copy, squad_file)
    found = localization(finished)["tflite"]
    assert finished.code == 1
    assert found["blocks"] == [] and found["first_block"] is None
    assert "cannot be read" in found["reason"]


@pytest.mark.parametrize("architecture", ["distilbert", "bert", "electra"])
def test_blocks_have_the_same_names_in_all_encoders(
    students: dict[str, Student], architecture: str
) -> None:
    student = students[architecture]
    (row,) = random_rows(student, seq_len=16, num_tokens=(12,))
    own = run_blocks(student, row)
    assert list(own) == BLOCKS
    assert own["head"].shape == (16, 2)
    # On its own outputs every block comes to the same again.
    again = run_blocks(student, row, given=own)
    for name, output in own.items():
        np.testing.assert_array_equal(again[name], output)


def test_given_output_changes_only_what_follows(students: dict[str, Student]) -> None:
    student = students["distilbert"]
    (row,) = random_rows(student, seq_len=16, num_tokens=(12,))
    own = run_blocks(student, row)
    given = {**own, "layer.0.ffn": own["layer.0.ffn"] + 1}
    changed = run_blocks(student, row, given=given)
    differs = [name for name in BLOCKS if not np.array_equal(own[name], changed[name])]
    # Those behind the next block are given again.
    assert differs == ["layer.1.attention"]


def test_encoder_without_layer_norms_is_refused(students: dict[str, Student]) -> None:
    with pytest.raises(
        InputError, match="a MobileBertForQuestionAnswering does not have"
    ) as caught:
        norm_blocks(students["mobilebert"])
    assert "distilbert, bert, electra" in caught.value.hint


def fault(student: Student, block: str, *, halves: bool) -> tuple[bytes, bytes]:
    """Returns the bytes of a weight as files hold it, and those of a fault in its place."""
    if block == "layer.1.ffn":  # a layer that lost its biases
        dtype = np.float16 if halves else np.float32
        name = SECOND.removeprefix("model.").replace("weight", "bias")
        bias = student.model.get_parameter(name).detach().numpy().astype(dtype)
        return bias.tobytes(), np.zeros_like(bias).tobytes()
    name = {
        "embeddings": WORDS, "layer.0.attention": QUERY, "layer.0.ffn": FIRST,
        "layer.1.attention": VALUE, "head": OUTPUTS,
    }[block]  # fmt: skip
    matrices = trace(student, seq_lens=(SEQ_LEN,)).matrices()
    values = Quantizer(matrices).model_weights(recipe_of("int8")).integers[name].values
    changed = values.copy()
    if block == "embeddings":
        changed = np.roll(values, 1, axis=0)
    elif block == "layer.0.attention":  # the rows of one head, the other way round
        changed[:16] = values[:16][::-1]
    else:
        changed[:] = 0
    return values.tobytes(), changed.tobytes()


def damage(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))


def localize(bundle: Path, squad_file: Path, *options: str | Path) -> Finished:
    runtimes = [part for name in RUNTIMES.values() for part in ("--runtime", name)]
    return pocketbert(
        "parity",
        bundle,
        "--data",
        squad_file,
        *runtimes,
        "--localize",
        *options,
        "--json",
        timeout=600,
    )


def localization(finished: Finished) -> dict[str, Any]:
    """Returns what was found, by backend."""
    return {each["backend"]: each for each in finished.json["localization"]}
