"""Calls of ``finetune``, and of ``distill`` on texts, that cannot work: refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

from pipeline.commands import app
from tests.command import Finished
from tests.pipeline.commands.calls import refused
from tests.students import make_config, save_tokenizer

Call = Callable[..., Finished]
GOOD = [
    (f"{text} {number}", label)
    for number in range(4)
    for text, label in (("the keeper lit the lamp", "good"), ("rain fell on the island", "bad"))
]
TUNE = {"--task": "text-classification", "--data": "{good}", "--held-out": "2",
        "--max-seq-len": "32", "--batch-size": "2", "--steps": "1"}  # fmt: skip
DISTILL = {name: value for name, value in TUNE.items() if name != "--task"} | {
    "--teacher": "{classifier}"
}


def table(path: Path, rows: list[tuple[str, ...]], *columns: str) -> None:
    lines = ["\t".join(columns or ("text", "label")), *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory, tokenizer) -> dict[str, Path]:
    """Models and data, some of them bad, by the names under which calls here speak of them."""
    root = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    labels = {"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}
    classes = {
        "encoder": BertModel(make_config("bert")),
        "classifier": BertForSequenceClassification(make_config("bert", **labels)),
        "pairs": BertForSequenceClassification(make_config("bert", **labels, text_pair=True)),
        "short": BertModel(
            BertConfig(vocab_size=800, hidden_size=64, num_hidden_layers=1, num_attention_heads=4,
                       intermediate_size=64, max_position_embeddings=16)
        ),
    }  # fmt: skip
    for name, model in classes.items():
        model.save_pretrained(root / name)
        save_tokenizer(tokenizer, root / name)
    table(root / "good.tsv", GOOD)
    table(root / "no-label.tsv", [("a lamp",)] * 8, "text")
    table(root / "one-class.tsv", [("a lamp", "good")] * 8)
    table(root / "empty-text.tsv", [*GOOD, (" ", "good")])
    table(root / "unread.tsv", [*GOOD, ("灯台灯台灯台", "good")])
    table(root / "unknown.tsv", [*GOOD, ("a lamp", "ugly")])
    table(root / "float.tsv", [*GOOD, ("a lamp", "0.5")])
    table(root / "fields.tsv", [*GOOD, ("a lamp", "the tower", "good")])
    pairs = [("a", f"b {number}", label) for number, (_, label) in enumerate(GOOD)]
    table(root / "pair.tsv", pairs, "text", "text_pair", "label")
    table(root / "empty.tsv", [])
    (root / "half-pair.jsonl").write_text(
        "".join(json.dumps({"text": "a", "label": "x"}) + "\n" for _ in range(4))
        + '{"text": "a", "text_pair": "b", "label": "y"}\n'
    )
    (root / "notes.doc").write_text("text\n")
    (root / "blank.txt").write_text("\n")
    return {path.stem: path for path in root.iterdir()} | {"root": root}


@pytest.fixture
def call(capfd, files, tmp_path) -> Call:
    """Trains in this process, into ``model`` of the test's own folder."""

    def run(command: str, options: dict[str, str], *flags: str) -> Finished:
        filled = {"-o": "{tmp}/model"} | options
        model = [filled.pop("MODEL", "{encoder}")] if command == "finetune" else []
        if "--eval-data" in options:
            filled["--held-out"] = ""
        pairs = [part for name, value in filled.items() if value for part in (name, value)]
        arguments = [each.format(**files, tmp=tmp_path) for each in [*model, *pairs]]
        capfd.readouterr()
        code = app.run([command, *arguments, *flags])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Finished(code=code, stdout=captured.out, stderr=captured.err)

    return run


BAD = [
    ({"MODEL": "/absent/model"}, "no folder /absent/model"),
    ({"MODEL": "{short}"}, "short has 16 positions, and rows of 32 tokens, padded to 32, need"),
    ({"--task": "translation"}, "there is no task translation to train for"),
    ({"--task": ""}, "Missing option '--task'"),
    ({"--problem-type": "one"}, "Invalid value for '--problem-type'"),
    ({"--epochs": "3"}, "--epochs has no effect: --steps says how long to train"),
    ({"--no-answer-share": "0.1"}, "--no-answer-share has no effect: a text holds no question"),
    ({"--trim-vocab": "/absent.txt"}, "no corpus /absent.txt"),
    ({"--trim-vocab": "{blank}"}, "the corpus holds no word"),
    ({"--data": "/absent.tsv"}, "there is no file /absent.tsv"),
    ({"--data": "{root}"}, "its name has no ending"),
    ({"--data": "{notes}"}, "its name ends in '.doc'"),
    ({"--data": "{empty}"}, "empty.tsv holds no texts"),
    ({"--data": "{no-label}"}, "no-label.tsv has no column 'label'"),
    ({"--data": "{one-class}"}, "the data names 1 labels: good"),
    ({"--data": "{empty-text}"}, "empty-text.tsv:10: its text is empty"),
    ({"--data": "{unread}"}, "unread.tsv:10: it holds no word, or most are not in the vocabulary"),
    ({"--data": "{float}"}, "float.tsv:10: its label 0.5 is a number with a sign or a point"),
    ({"--data": "{fields}"}, "fields.tsv:10: it has 3 fields, and the header 2"),
    ({"--data": "{half-pair}"}, "half-pair.jsonl:5 is a pair of texts, and half-pair.jsonl:1 is"),
    ({"--problem-type": "regression"}, "its label 'good' is no number, and the model gives one"),
    ({"MODEL": "{classifier}", "--data": "{unknown}"}, "unknown.tsv:10: its label 'ugly' is not"),
    ({"MODEL": "{classifier}", "--data": "{one-class}"}, "has the same label: 'good'"),
    ({"MODEL": "{classifier}", "--data": "{pair}"}, "has a column 'text_pair', and the model take"),
    ({"MODEL": "{pairs}"}, "good.tsv has no column 'text_pair'"),
    ({"--held-out": "0"}, "there are no labelled texts to judge the model by"),
    ({"--held-out": "99"}, "the data holds 0 examples, and a batch takes 2"),
    ({"--batch-size": "9"}, "the data holds 6 examples, and a batch takes 9"),
    ({"--task": "question-answering", "--problem-type": "regression"}, "an answer is a span"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD, ids=lambda each: str(each)[:40])
def test_bad_call_of_finetune_is_refused_and_writes_no_model(call, tmp_path, change, message):
    told = refused(call("finetune", TUNE | change))
    assert message in told
    assert not (tmp_path / "model" / "config.json").exists()


ALIKE = [
    ({"--teacher": "{encoder}"}, "is a BertModel, where a …ForQuestionAnswering or a …ForSequence"),
    ({"--data": "{unknown}"}, "unknown.tsv:10: its label 'ugly' is not one of the model's: bad, g"),
    ({"--data": "{pair}"}, "has a column 'text_pair', and the model takes one text"),
    ({"--texts": "{pair}"}, "has a column 'text_pair', and the model takes one text"),
    ({"--texts": "{empty-text}"}, "empty-text.tsv:10: its text is empty"),
    ({"--texts": "{good}", "--soft-weight": "0", "--cosine-weight": "0"}, "--texts has no effect"),
    ({"--no-answer-share": "0.1"}, "--no-answer-share has no effect: a text holds no question"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), ALIKE, ids=lambda each: str(each)[:40])
def test_bad_call_of_distill_on_texts_is_refused(call, tmp_path, change, message):
    assert message in refused(call("distill", DISTILL | change))
    assert not (tmp_path / "model" / "config.json").exists()


@pytest.mark.parametrize("command", ["finetune", "distill"])
@pytest.mark.parametrize("bad", ["empty-text", "unread", "fields"])
def test_bad_row_is_left_out_and_counted_where_it_may_be(call, command, bad):
    options = (TUNE if command == "finetune" else DISTILL) | {"--data": f"{{{bad}}}"}
    finished = call(command, options, "--skip-bad", "--json")
    assert finished.code == 0, finished
    assert finished.json["num_left_out"] == 1
    assert set(finished.json["scores"]) == {"accuracy", "macro_f1", "matthews_correlation"}


def test_distill_learns_from_texts_without_any_label(call):
    alone = {"--texts": "{no-label}", "--hard-weight": "0", "--held-out": "8", "--batch-size": "4"}
    finished = call("distill", DISTILL | alone, "--json")
    assert finished.code == 0, finished


def test_classifier_that_is_tuned_again_keeps_its_head_or_gets_another(call, files, tmp_path):
    for name, change in {
        "kept": {},
        "other": {"--data": "{unknown}", "--problem-type": "single_label_classification"},
    }.items():
        options = TUNE | {"MODEL": "{classifier}", "-o": f"{{tmp}}/{name}"} | change
        assert call("finetune", options).code == 0
    configs = [json.loads((tmp_path / name / "config.json").read_text()) for name in
               ("kept", "other")]  # fmt: skip
    assert list(configs[0]["label2id"]) == ["bad", "good"]
    assert list(configs[1]["label2id"]) == ["bad", "good", "ugly"]
