"""Bad texts and labels, through the commands that read them: what is said, and with which code."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from converters.values.errors import PocketBertError
from pipeline import classify as flow
from pipeline.benchmark.process import Seat, seat
from pipeline.build import BuildResult
from pipeline.bundle.open import open_bundle
from pipeline.tasks.text_classification.labelled import LabelledText
from tests.classifiers import make_classifier, save_classifier
from tests.command import COMMAND, ROOT
from tests.conftest import MakeOnce
from tests.pipeline.commands.calls import Call, refused
from tests.runs import quiet_run
from tests.students import read_tokenizer, save_tokenizer

KINDS = {
    "one": {},
    "pair": {"labels": ("no", "yes"), "text_pair": True},
    "several": {"problem_type": "multi_label_classification"},
    "number": {"problem_type": "regression", "labels": ("score",)},
}


@pytest.fixture(scope="module")
def models(make_once: MakeOnce) -> dict[str, Path]:
    """Classifiers by what they give; one with a weight that is NaN, and one with endless logits."""

    def make(root: Path) -> dict[str, Path]:
        made = {
            name: save_classifier("distilbert", root / name, **options)
            for name, options in KINDS.items()
        }
        for name, value in {"nan": torch.nan, "endless": 3e38}.items():
            broken = make_classifier("distilbert")
            with torch.no_grad():
                broken.classifier.weight.fill_(value)
            broken.save_pretrained(root / name)
            made[name] = root / name
            save_tokenizer(read_tokenizer(), made[name])
        return made

    return make_once("classifiers-of-bad-texts", make)


REFUSED = [
    ("one", "a.tsv", "text\na lamp\n", "a.tsv has no column 'label': its first line has 'text'"),
    ("one", "a.tsv", "text\tlabel\na lamp\tugly\n",
     "a.tsv:2: its label 'ugly' is not one of the model's: negative, so-so, positive (correct the"),
    ("one", "a.tsv", "text\tlabel\na lamp\t0.5\n", "its label '0.5' is not one of the model's"),
    ("one", "a.tsv", "text\tlabel\n \tpositive\n", "a.tsv:2: its text is empty"),
    ("one", "a.tsv", "text\ttext_pair\tlabel\na\tb\tpositive\n", "the model takes one text (take"),
    ("one", "a.csv", 'text,label\n"a lamp,positive\n', "a.csv:2 is not CSV"),
    ("one", "a.tsv", "text\tlabel\n", "a.tsv holds no texts"),
    ("one", "a.json", "[]", "a.json is no table: its name ends in '.json'"),
    ("pair", "a.tsv", "text\tlabel\na lamp\tyes\n", "a.tsv has no column 'text_pair'"),
    ("pair", "a.jsonl", '{"text": "a", "label": "yes"}\n', "it has no text_pair, and the model"),
    ("several", "a.jsonl", '{"text": "a", "label": [0.5]}\n',
     "its label is the number 0.5; a name, or the number of its place, was expected"),
    ("number", "a.tsv", "text\tlabel\na lamp\tgood\n", "its label 'good' is no number"),
    ("number", "a.tsv", "text\tlabel\na lamp\tnan\n", "its label 'nan' is no number"),
    ("nan", "a.tsv", "text\tlabel\na lamp\tpositive\n", "the weight classifier.weight holds NaN"),
]  # fmt: skip


@pytest.mark.parametrize("command", ["eval", "build"])
@pytest.mark.parametrize(("model", "name", "content", "message"), REFUSED)
def test_data_of_which_nothing_can_be_read_is_refused(
    call: Call, models: dict[str, Path], tmp_path: Path, command: str, model: str, name: str,
    content: str, message: str,
) -> None:  # fmt: skip
    data = tmp_path / name
    data.write_text(content, encoding="utf-8")
    options = ("-o", tmp_path / "bundle", "--backend", "tflite") if command == "build" else ()
    assert message in refused(call(command, models[model], "--data", data, *options))
    assert sorted(tmp_path.iterdir()) == [data]


COUNTED = [
    ("one", "a.tsv", "text\tlabel\na lamp\tpositive\na lamp\tugly\n", ["a.tsv:3"], 2),
    ("one", "a.tsv", "text\tlabel\na lamp\tpositive\n\tpositive\n", ["a.tsv:3"], 2),
    ("one", "a.tsv", "text\tlabel\na lamp\tpositive\nrain\tpositive\n", [], 2),  # one class only
    ("one", "a.csv", 'text,label\n"a ""lamp"",\nlit",1\n\'rain,0\n"灯台灯台",1\n', ["a.csv:5"], 3),
    ("pair", "a.jsonl", '{"text": "a", "text_pair": "b", "label": "no"}\n{"text": "a"}\n',
     ["a.jsonl:2"], 2),
    ("several", "a.tsv", "text\tlabel\na lamp\t\nrain\t\n", [], 2),  # none is set
    ("number", "a.tsv", "text\tlabel\na lamp\t1\nrain\t-1.5\nfell\tinf\n", ["a.tsv:4"], 3),
    ("number", "a.tsv", "text\tlabel\na lamp\t1\nrain\t1\n", [], 2),  # no correlation
    ("endless", "a.tsv", "text\tlabel\na lamp\tpositive\nrain\tnegative\n", [], 2),
]  # fmt: skip


@pytest.mark.parametrize(("model", "name", "content", "unreadable", "count"), COUNTED)
def test_rows_that_cannot_be_read_are_named_and_nothing_is_lost(
    call: Call, models: dict[str, Path], tmp_path: Path, model: str, name: str, content: str,
    unreadable: list[str], count: int,
) -> None:  # fmt: skip
    data = tmp_path / name
    data.write_text(content, encoding="utf-8")
    finished = call("eval", models[model], "--data", data, "--json")
    assert finished.code == 0, finished.stderr
    assert [each["id"] for each in finished.json.get("unreadable", [])] == unreadable
    (scores,) = finished.json["results"]
    assert scores["count"] == count
    if model == "endless":  # whose answers are none
        assert (scores["accuracy"], scores["macro_f1"]) == (0, 0)


PLACES = ("--runtime", "litert")


def test_parity_names_rows_that_cannot_be_read_and_refuses_a_file_of_such_rows(
    call: Call, built_classifier: BuildResult, tmp_path: Path
) -> None:
    data = tmp_path / "a.tsv"
    data.write_text("text\tlabel\na lamp\tpositive\na lamp\tugly\n")
    student = built_classifier.folder.parent / "student"
    options = ("--data", data, "--reference", student, *PLACES)
    finished = call("parity", built_classifier.folder, *options, "--json")
    assert [each["id"] for each in finished.json["unreadable"]] == ["a.tsv:3"]
    data.write_text("text\tlabel\na lamp\tugly\n")
    told = refused(call("parity", built_classifier.folder, *options))
    assert "none of the 1 rows of" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-t", ""), "the text is empty"),
        (("-t", "a lamp", "--pair", "rain"), "the model takes one text, and a second"),
        (("--pair", "rain"), "--pair goes with -t"),
        (("-t", "灯台灯台"), "tokens of the text are not in the student's vocabulary"),
        (("-t", "a \udcff"), "the text is not valid Unicode"),
    ],
)
def test_classify_of_a_bad_text_is_refused(
    call: Call, built_classifier: BuildResult, options: tuple[str, ...], message: str
) -> None:
    assert message in refused(call("classify", built_classifier.folder, *PLACES, *options))


def test_classify_answers_every_line_and_says_what_is_wrong_with_bad_ones(
    call: Call, built_classifier: BuildResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_bytes(b"a lamp\n\nrain\tfell\n\xff\n" + "灯台灯台\n".encode() + b"a lamp\r\nrain")
    with lines.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        finished = call("classify", built_classifier.folder, *PLACES, "--json")
    assert finished.code == 2
    answers = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [each["text"] for each in answers] == [
        "a lamp", "", "rain", "\udcff", "灯台灯台", "a lamp\r", "rain"
    ]  # fmt: skip
    is_answered = [len(each.get("results", ())) == 1 for each in answers]
    assert is_answered == [True, False, False, False, False, True, True]
    for each in answers:
        assert "error" not in each or (each["error"]["code"] == 2 and each["error"]["hint"])
    assert answers[0]["results"][0]["labels"] == answers[5]["results"][0]["labels"]


def test_classify_answers_a_line_before_the_next_is_there(built_classifier: BuildResult) -> None:
    command = [*COMMAND, "classify", str(built_classifier.folder), *PLACES, "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as running:
        assert running.stdin is not None and running.stdout is not None
        for text in ("a lamp", "rain fell", ""):
            running.stdin.write(f"{text}\n".encode())
            running.stdin.flush()
            assert json.loads(running.stdout.readline())["text"] == text
        running.stdin.close()
        assert running.stdout.read() == b""
        assert running.wait() == 2  # of the empty line


def test_classify_goes_on_without_a_runtime_that_fails_and_ends_with_the_last(
    built_classifier: BuildResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats: dict[str, Seat] = {}

    @contextlib.contextmanager
    def kept(name: str) -> Iterator[Seat]:
        with seat(name) as seats[name]:
            yield seats[name]

    def end(name: str) -> None:
        pid = seats[name].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    monkeypatch.setattr(flow, "seat", kept)
    last_to_end = iter(("litert", "executorch"))

    def examples() -> Iterator[LabelledText]:
        yield LabelledText(id="0", text="a lamp")
        for number, name in enumerate(last_to_end, start=1):
            end(name)
            yield LabelledText(id=str(number), text="rain fell")

    with open_bundle(built_classifier.folder) as opened:
        answered = flow.classify(
            opened, examples(), names=("litert", "executorch"), run=quiet_run()
        )
        codes, ran = [], []
        with pytest.raises(PocketBertError, match="executorch crashed"):
            for _, answers in answered:
                assert isinstance(answers, flow.Answers)
                codes.append(answers.exit_code != 0)
                ran.append({each.runtime for each in answers.done})
    assert ran == [{"litert", "executorch"}, {"executorch"}]
    assert codes == [False, True]
