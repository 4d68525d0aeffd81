import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers
from accelerate import Accelerator
from safetensors.torch import load_file
from tokenizers import AddedToken, Tokenizer
from transformers import AutoModelForMaskedLM, AutoModelForQuestionAnswering, AutoTokenizer

from converters.values.errors import InputError
from pipeline.distillation.checkpoints import RunFolder, State
from pipeline.student.load import load
from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.tokenizer.tokenization import set_second_type, tokenizer_part

RUN = {
    "mode": "task",
    "layer_map": (0, 2, 5),
    "weights": {"soft": 1.0, "hard": 0.5},
    "student": None,
    "seed": 7,
}


CONFIG = transformers.DistilBertConfig(max_position_embeddings=64)


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder(tmp_path / "student", half=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


# Where a run may begin


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("exists", [False, True], ids=["absent", "empty"])
def test_check_takes_a_new_folder_and_makes_nothing(folder, exists, resume):
    if exists:
        folder.folder.mkdir()
    folder.check(resume=resume)
    assert folder.folder.exists() == exists
    assert not exists or contents(folder.folder) == {}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["notes.txt", "config.json", ".hidden", "training/other.json"])
def test_check_refuses_a_folder_that_holds_something_else_and_leaves_it(folder, name, resume):
    path = folder.folder / name
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    before = contents(folder.folder)
    with pytest.raises(InputError, match="student exists and holds no training run") as caught:
        folder.check(resume=resume)
    assert caught.value.hint == "choose a new folder"
    assert contents(folder.folder) == before


def test_check_refuses_a_file(folder):
    folder.folder.write_text("precious")
    with pytest.raises(InputError, match="student exists and holds no training run"):
        folder.check(resume=True)
    assert folder.folder.read_text() == "precious"


def test_check_goes_on_with_a_run_only_where_that_is_asked_for(folder):
    folder.open(RUN)
    folder.check(resume=True)
    with pytest.raises(InputError, match="holds a training run that has not ended") as caught:
        folder.check(resume=False)
    assert "--resume" in caught.value.hint


@pytest.mark.parametrize("resume", [False, True])
def test_check_refuses_a_run_that_has_ended(folder, resume):
    folder.open(RUN)
    folder.finish({"steps": 3})
    with pytest.raises(InputError, match="has ended") as caught:
        folder.check(resume=resume)
    assert caught.value.hint == "choose another folder"


# Which run it is


def test_open_notes_the_run_and_finds_it_again(folder):
    folder.open(RUN)
    assert set(contents(folder.folder)) == {"training", "training/run.json"}
    noted = json.loads((folder.folder / "training" / "run.json").read_text())
    assert noted == RUN | {"layer_map": [0, 2, 5]}
    before = contents(folder.folder)
    folder.open(RUN)
    assert contents(folder.folder) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 8}, r"was begun with the seed 7, and goes on with 8$"),
        ({"layer_map": (0, 2)}, r"the layer_map \[0, 2, 5\], and goes on with \[0, 2\]$"),
        ({"weights": {"soft": 1.0, "hard": 1.0}}, r'the weights {"soft": 1.0, "hard": 0.5}, and'),
        ({"student": {"name": "other"}}, r'the student null, and goes on with {"name": "other"}$'),
        ({"added": 1}, r"the added null, and goes on with 1$"),
    ],
)
def test_open_refuses_a_run_that_differs_and_names_the_difference(folder, change, message):
    folder.open(RUN)
    before = contents(folder.folder)
    with pytest.raises(InputError, match=message) as caught:
        folder.open(RUN | change)
    assert "\n" not in caught.value.message
    assert contents(folder.folder) == before


def test_open_refuses_a_damaged_note(folder):
    folder.open(RUN)
    (folder.folder / "training" / "run.json").write_text('{"mode": ')
    with pytest.raises(InputError, match=r"run\.json is not valid JSON"):
        folder.open(RUN)


def test_checkpoint_is_the_newest_whole_one(folder):
    folder.open(RUN)
    assert folder.checkpoint() is None
    for name in ("checkpoint-00000900", "checkpoint-00010000", ".checkpoint.partial"):
        (folder.folder / "training" / name).mkdir()
    found = folder.checkpoint()
    assert found is not None
    assert found.name == "checkpoint-00010000"


def test_finish_notes_the_result_and_drops_the_checkpoint(folder):
    folder.open(RUN)
    (folder.folder / "training" / "checkpoint-00000900").mkdir()
    kept = folder.folder / "training" / "checkpoint-00000900-kept-by-the-user"
    kept.mkdir()
    folder.finish({"steps": 3, "best": 81.5})
    assert set(contents(folder.folder)) == {
        "training", "training/run.json", "training/result.json", f"training/{kept.name}",
    }  # fmt: skip
    noted = json.loads((folder.folder / "training" / "result.json").read_text())
    assert noted == {"steps": 3, "best": 81.5}


def test_note_keeps_the_figures_that_are_above_all_before():
    state = State(step=250)
    told = []
    for step, figure in ((250, 0.0), (500, 70.0), (750, 69.9), (1000, 70.0), (1250, 70.1)):
        state.step = step
        told.append(state.note({"f1": figure, "exact_match": 0.0}, metric="f1"))
    assert told == [True, True, False, False, True]
    assert (state.best_step, state.best["f1"]) == (1250, 70.1)


# The student


@pytest.fixture(scope="module")
def accelerator() -> Accelerator:
    return Accelerator(mixed_precision="no")


def make(head: str, seed: int = 0) -> transformers.PreTrainedModel:
    torch.manual_seed(seed)
    config = transformers.DistilBertConfig(
        vocab_size=800, max_position_embeddings=64, dim=32, n_layers=2, n_heads=4, hidden_dim=48
    )
    student = getattr(transformers, f"DistilBertFor{head}")(config)
    return student.eval()  # type: ignore[no-any-return]


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
@pytest.mark.parametrize(
    ("head", "opener"),
    [("QuestionAnswering", AutoModelForQuestionAnswering), ("MaskedLM", AutoModelForMaskedLM)],
)
def test_saved_student_is_opened_whole_by_transformers(
    tmp_path, accelerator, tokenizer, head, opener, half
):
    folder = RunFolder(tmp_path / "student", half=half)
    folder.open(RUN)
    student = make(head)
    folder.save_tokenizer(tokenizer, config=CONFIG)
    folder.save_student(student, accelerator)
    opened, info = opener.from_pretrained(
        folder.folder, dtype=torch.float32, output_loading_info=True
    )
    assert not any(info.values()), info
    assert type(opened) is type(student)
    for name, value in opened.state_dict().items():
        given = student.state_dict()[name]
        assert torch.equal(value, given.half().float() if half else given), name
    stored = load_file(folder.folder / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16 if half else torch.float32}
    assert "vocab_projector.weight" not in stored, "it is the embedding"
    read = AutoTokenizer.from_pretrained(folder.folder)
    assert read("Who lit the lamp?")["input_ids"] == tokenizer.encode("Who lit the lamp?").ids


def test_saved_student_is_opened_by_the_pipeline(tmp_path, accelerator, tokenizer):
    folder = RunFolder(tmp_path / "student", half=True)
    folder.open(RUN)
    folder.save_tokenizer(tokenizer, config=CONFIG)
    folder.save_student(make("QuestionAnswering"), accelerator)
    assert load(str(folder.folder)).input_names == ("input_ids", "attention_mask")


@pytest.mark.parametrize(
    ("normalizer", "model"),
    [
        ({}, {}),
        ({"clean_text": False}, {}),
        ({"lowercase": False, "strip_accents": True}, {}),
        ({}, {"max_input_chars_per_word": 200}),
        ({}, {"continuing_subword_prefix": ""}),
    ],
)
def test_saved_tokenizer_reads_as_the_teachers_did(tmp_path, tokenizer, normalizer, model):
    content = json.loads(tokenizer.to_str())
    content["normalizer"].update(normalizer)
    content["model"].update(model)
    teachers = Tokenizer.from_str(json.dumps(content))
    teachers.add_tokens([AddedToken("covid"), AddedToken("<Q>", normalized=False)])
    set_second_type(teachers, 0)
    RunFolder(tmp_path, half=True).save_tokenizer(teachers, config=CONFIG)
    (tmp_path / "config.json").write_text('{"model_type": "distilbert"}')
    assert tokenizer_part(read_tokenizer(tmp_path)) == tokenizer_part(teachers)


def test_saved_student_takes_the_place_of_an_earlier_one(folder, accelerator):
    folder.open(RUN)
    for seed in (0, 1):
        folder.save_student(make("QuestionAnswering", seed), accelerator)
    stored = load_file(folder.folder / "model.safetensors")
    expected = make("QuestionAnswering", 1).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in stored.items())
    assert {path.name for path in folder.folder.iterdir()} == {
        "training", "config.json", "model.safetensors",
    }  # fmt: skip


def test_saved_student_of_another_process_is_left_to_the_main_one(folder):
    folder.open(RUN)
    folder.save_student(make("QuestionAnswering"), SimpleNamespace(is_main_process=False))
    assert set(contents(folder.folder)) == {"training", "training/run.json"}
