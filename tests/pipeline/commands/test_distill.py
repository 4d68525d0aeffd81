"""Calls of ``pocketbert distill`` that cannot work, each refused in one line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, DistilBertConfig, DistilBertModel

from pipeline.commands import app
from tests.command import Finished
from tests.pipeline.distillation.small_data import (
    numbered_squad,
    qamr_row,
    question,
    word_tokenizer,
    write_qamr,
    write_squad,
)
from tests.students import NUM_POSITIONS, VOCABULARY_SIZE, save_tokenizer

Call = Callable[..., Finished]
SENTENCE = {"Wiki:news:1:0": "The keeper lit the lamp in 1871 ."}
GOOD_ROW = qamr_row("Wiki:news:1:0", "Who lit the lamp?", "0 1", "0 1", "1")
TASK = {"--teacher": "{bert}", "--data": "{squad}", "--held-out": "2", "--max-seq-len": "64",
        "--batch-size": "2", "--steps": "1"}  # fmt: skip
TEXT = TASK | {"--teacher": "{mlm}", "--data": "{text}", "--mode": "pre-training"}


@pytest.fixture(scope="module")
def files(tmp_path_factory, student_folders, tokenizer) -> dict[str, Path]:
    """Models and data, some of them bad, by the names under which calls here speak of them."""
    root = tmp_path_factory.mktemp("files")
    sizes = {"vocab_size": VOCABULARY_SIZE, "max_position_embeddings": NUM_POSITIONS}
    torch.manual_seed(0)
    bert = BertConfig(
        **sizes, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128
    )
    narrow = DistilBertConfig(**sizes, dim=32, n_layers=1, n_heads=4, hidden_dim=64)
    other_words = DistilBertConfig(**sizes, dim=64, n_layers=1, n_heads=4, hidden_dim=64)
    for name, model, words in (
        ("mlm", BertForMaskedLM(bert), tokenizer),
        ("narrow", DistilBertModel(narrow), tokenizer),
        ("other", DistilBertModel(other_words), word_tokenizer("other words")),
    ):
        model.save_pretrained(root / name)
        save_tokenizer(words, root / name)
    numbered_squad(root / "squad.json", num_contexts=3)
    context = "The keeper lit the lamp in 1871."
    good = [question(f"good-{n}", "Who lit the lamp?", [("The keeper", 0)]) for n in range(3)]
    bad = question("bad", "When was the lamp lit?", [("in 1872", 24)])
    write_squad(root / "bad.json", {context: [*good, bad]})
    contents = {
        "empty.json": "", "malformed.json": '{"data":\n [}', "layout.json": '{"data": [{}]}',
        "none.json": '{"data": []}', "empty.txt": "",
        "text.txt": "the keeper lit the lamp and went to bed while rain fell on the island\n" * 20,
    }  # fmt: skip
    for name, content in contents.items():
        (root / name).write_text(content)
    write_qamr(root / "qamr", SENTENCE, [GOOD_ROW, GOOD_ROW])
    write_qamr(root / "bad-qamr", SENTENCE, [GOOD_ROW, ("too", "short"), GOOD_ROW])
    write_qamr(root / "no-qamr", SENTENCE, [])
    return {path.stem: path for path in root.iterdir()} | {
        "empty_text": root / "empty.txt", "empty": root / "empty.json", "root": root,
        **student_folders,
    }  # fmt: skip


@pytest.fixture
def call(capfd, files, tmp_path) -> Call:
    """Distils in this process, into ``student`` of the test's own folder."""

    def run(options: dict[str, str], *flags: str) -> Finished:
        filled = {"-o": "{tmp}/student"} | options
        if "--eval-data" in options:
            filled["--held-out"] = ""
        pairs = [part for name, value in filled.items() if value for part in (name, value)]
        arguments = [each.format(**files, tmp=tmp_path) for each in pairs]
        capfd.readouterr()
        code = app.run(["distill", *arguments, *flags])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Finished(code=code, stdout=captured.out, stderr=captured.err)

    return run


def refused(finished: Finished, *, code: int = 2) -> str:
    """Checks that a failure is told in one line that says what to do, and returns the line."""
    assert finished.code == code, finished
    assert finished.stdout == ""
    (told,) = finished.stderr.splitlines()
    assert told.startswith("pocketbert: ")
    assert told.endswith(")"), "no hint"
    return told


MODELS = [
    ({"--teacher": "/absent/model"}, "no folder /absent/model"),
    ({"--teacher": "{squad}"}, "is a file, not a model"),
    ({"--teacher": "{mobilebert}"}, "mobilebert is a mobilebert, whose layers a DistilBERT cannot"),
    ({"--teacher": "{electra}"}, "electra has embeddings of 32, and layers of 64"),
    ({"--teacher": "{mlm}"}, "is a BertForMaskedLM, where a …ForQuestionAnswering or a …For"),
    ({"--student": "{bert}"}, "bert is a bert, where a DistilBERT is needed"),
    ({"--student": "{narrow}"}, "narrow is 32 wide and bert 64, so the directions of their hidden"),
    ({"--student": "{other}"}, "the vocabularies of other and bert differ (800 and 800 entries)"),
    ({"--student": "{distilbert}", "--layer-map": "1"}, "1 layers, and distilbert has 2"),
    ({"--layers": "3"}, "a student of 3 layers cannot start from the 2 of bert"),
    ({"--layer-map": "1,0"}, "the layer map 1,0 does not rise"),
    ({"--layer-map": "0,0"}, "the layer map 0,0 does not rise"),
    ({"--layer-map": "0,2"}, "the layer map names layer 2, and bert has 2, counted from 0"),
    ({"--layer-map": "-1,0"}, "the layer map names layer -1, and bert has 2, counted from 0"),
    ({"--layer-map": "0,x"}, "--layer-map 0,x is not a list of numbers"),
    ({"--layer-map": "0,1", "--layers": "1"}, "--layers 1 and a layer map of 2 contradict each"),
    ({"--max-seq-len": "513"}, "bert has 512 positions, and rows of 513 tokens, padded to 520"),
]  # fmt: skip
SETTINGS = [
    ({"--batch-size": "3", "--accumulate": "2"}, "a batch of 3 cannot be cut into 2 accumulated"),
    ({"--soft-weight": "0", "--hard-weight": "0", "--cosine-weight": "0"}, "the losses cannot be"),
    ({"--hard-weight": "inf"}, "the losses cannot be weighed with 1.0 soft, inf hard and 1.0 cos"),
    ({"--hard-weight": "nan"}, "Invalid value for '--hard-weight'"),
    ({"--mode": "tasks"}, "'tasks' is not one of 'task', 'pre-training'"),
    ({"--align": "first"}, "'first' is not one of 'last', 'all'"),
    ({"--mixed-precision": "int8"}, "'int8' is not one of 'no', 'bf16', 'fp16'"),
    ({"--temperature": "0"}, "Invalid value for '--temperature'"),
    ({"--dropout": "1"}, "Invalid value for '--dropout'"),
    ({"--teacher": ""}, "Missing option '--teacher'"),
    ({"--data": ""}, "Missing option '--data'"),
    ({"-o": ""}, "Missing option '-o'"),
]  # fmt: skip
DATA = [
    ({"--data": "/absent.json"}, "There is no file /absent.json"),
    ({"--data": "{root}"}, "is a folder; a JSON file in SQuAD layout was expected"),
    ({"--data": "{empty}"}, "empty.json is not JSON: line 1, column 1"),
    ({"--data": "{malformed}"}, "malformed.json is not JSON: line 2, column 3"),
    ({"--data": "{layout}"}, "layout.json is not in SQuAD layout: data[0].paragraphs is missing"),
    ({"--data": "{none}"}, "none.json holds no question to train on"),
    ({"--data": "{text}"}, "text.txt is not JSON: line 1, column 1"),
    ({"--data": "{bad}"}, "the answer 'in 1872' of the question 'bad' is not in its context"),
    ({"--data": "{bad-qamr}"}, "bad-qamr/dev.tsv, line 2: 7 columns or more were expected"),
    ({"--data": "{no-qamr}"}, "no-qamr holds no question to train on"),
    ({"--data": "{qamr}"}, "there are no questions to judge the student by"),
    ({"--held-out": "0"}, "there are no questions to judge the student by"),
    ({"--held-out": "99"}, "the data holds 0 examples, and a batch takes 2"),
    ({"--batch-size": "5"}, "the data holds 4 examples, and a batch takes 5"),
    ({"--eval-data": "/absent.json"}, "There is no file /absent.json"),
    ({"--eval-data": "{bad-qamr}"}, "is a folder; a JSON file in SQuAD layout was expected"),
]  # fmt: skip
OUTPUT = [
    ({"-o": "{bert}"}, "bert exists and holds no training run (choose a new folder)"),
    ({"-o": "{squad}"}, "squad.json exists and holds no training run (choose a new folder)"),
    ({"-o": "{squad}/deeper"}, "no such path"),
    ({"-o": "{tmp}/" + "x" * 300}, "no such path"),
]


def snapshot(files: dict[str, Path]) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in files["root"].rglob("*") if path.is_file()} | {
        path: path.read_bytes() for path in files["bert"].iterdir()
    }


def as_typed(value: object) -> str:
    """Names a case by its options."""
    return " ".join(f"{k} {v[:20]}" for k, v in value.items()) if isinstance(value, dict) else " "


@pytest.mark.parametrize(("options", "message"), [*MODELS, *SETTINGS, *DATA, *OUTPUT], ids=as_typed)
def test_bad_call_is_refused_and_writes_nothing(call, files, tmp_path, options, message):
    before = snapshot(files)
    assert message in refused(call(TASK | options))
    assert list(tmp_path.iterdir()) == []
    assert snapshot(files) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"--teacher": "{bert}"}, "is a BertForQuestionAnswering, where a …ForMaskedLM is needed"),
        ({"--data": "/absent.txt"}, "there is no text file /absent.txt"),
        ({"--data": "{qamr}"}, "there is no text file"),
        ({"--eval-data": "/absent.txt"}, "there is no text file /absent.txt"),
        ({"--data": "{empty_text}"}, "there is no text to judge the student by"),
        ({"--data": "{empty_text}", "--eval-data": "{text}"}, "the text holds no line of"),
        ({"--held-out": "0"}, "there is no text to judge the student by"),
        ({"--held-out": "20"}, "the text holds no line of 12 tokens or more to train on"),
        ({"--steps": ""}, "how long an epoch of raw text is can only be known at its end"),
    ],
    ids=as_typed,
)  # fmt: skip
def test_bad_call_to_pre_train_is_refused_and_writes_nothing(call, tmp_path, options, message):
    assert message in refused(call(TEXT | options))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TASK | {"--epochs": "3"}, "--epochs has no effect: --steps says how long to train"),
        (TASK | {"--soft-weight": "0", "--temperature": "2"}, "--temperature has no effect: soft"),
        (TASK | {"--cosine-weight": "0", "--align": "last"}, "--align has no effect: hidden stat"),
    ],
    ids=as_typed,
)
def test_option_that_would_have_no_effect_is_refused(call, tmp_path, options, message):
    assert message in refused(call(options))
    assert list(tmp_path.iterdir()) == []


def test_held_out_part_beside_data_of_its_own_and_bad_rows_of_raw_text_are_refused(call, files):
    given = str(files["squad"])
    told = refused(call(TASK, "--eval-data", given))
    assert "--held-out has no effect: --eval-data is what the student is judged by" in told
    assert "--skip-bad has no effect: no line of raw text is bad" in refused(
        call(TEXT, "--skip-bad")
    )
    assert "--no-answer-share has no effect: raw text holds no question" in refused(
        call(TEXT, "--no-answer-share", "0.1")
    )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (question("bad", " ", [("The keeper", 0)]), "the question is empty"),
        (question("bad", None, [("The keeper", 0)]), "question is null; a string was expected"),
        (question("bad", "Who?", []), "it has no answers, and is not marked with is_impossible"),
    ],
    ids=["empty", "null", "no answer"],
)
def test_question_that_nobody_can_be_judged_by_is_named(call, tmp_path, bad, reason):
    good = question("good", "Who lit the lamp?", [("The keeper", 0)])
    path = write_squad(tmp_path / "judge.json", {"The keeper lit the lamp in 1871.": [good, bad]})
    options = TASK | {"--eval-data": str(path)}
    told = refused(call(options))
    assert "judge.json, question 'bad': " in told
    assert reason in told
    finished = call(options, "--skip-bad", "--json")
    assert finished.code == 0, finished
    assert finished.json["num_left_out"] == 1


def test_failure_as_json_has_code_message_and_hint(call):
    finished = call(TASK | {"--layers": "3"}, "--json")
    assert (finished.code, finished.stderr) == (2, "")
    assert finished.error == {
        "code": 2,
        "message": "a student of 3 layers cannot start from the 2 of bert",
        "hint": "give --layers 2 or fewer",
    }


def test_answer_outside_its_context_is_named_with_file_and_line(call, files):
    told = refused(call(TASK | {"--data": "{bad}"}))
    lines = files["bad"].read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if '"id": "bad"' in line]
    assert f"{files['bad']}, line {number}, data[0].paragraphs[0].qas[3]: the answer" in told
    assert "--skip-bad" in told


@pytest.mark.parametrize("data", ["bad", "bad-qamr"])
def test_skip_bad_trains_on_the_rest_and_counts_what_was_left_out(call, tmp_path, data):
    options = TASK | {"--data": f"{{{data}}}", "--eval-data": "{squad}"}
    finished = call(options, "--skip-bad", "--json")
    assert finished.code == 0, finished
    assert finished.json["num_left_out"] == 1
    assert finished.json["folder"] == str(tmp_path / "student")
    log = (tmp_path / "student" / "training" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [1, 1]


def test_data_of_both_kinds_may_follow_one_flag(call, files):
    """As a shell expands ``--data *``: what stands after the first file is data, too."""
    options = TASK | {"--eval-data": "{squad}", "--batch-size": "9"}
    told = refused(call(options, str(files["qamr"])))
    assert "the data holds 8 examples, and a batch takes 9" in told


@pytest.mark.parametrize("package", ["accelerate", "datasets"])
def test_missing_package_ends_with_three_and_the_line_that_installs_it(
    call, tmp_path, monkeypatch, package
):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    told = refused(call(TASK), code=3)
    assert told == (f"pocketbert: training needs {package} (pip install 'pocketbert[distill]')")
    assert list(tmp_path.iterdir()) == []
