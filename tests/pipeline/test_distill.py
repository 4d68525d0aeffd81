"""Whole runs of ``distill`` and ``finetune``: interrupted, in two processes, diverging."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
)

from pipeline.commands.app import run
from pipeline.student.load import load
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.command import COMMAND, ROOT
from tests.students import NUM_POSITIONS, VOCABULARY_SIZE, make_config, save_tokenizer

QUESTIONS = ROOT / "pipeline" / "tasks" / "question_answering" / "questions.json"
SMALL = ("--batch-size", "8", "--max-seq-len", "64", "--held-out", "10")
ONE_LAYER = ("--layers", "1")
NO_DROPOUT = ("--dropout", "0", "--attention-dropout", "0")

WITHOUT_GRADIENT = ("k_lin.bias", "key.bias", "qa_outputs.bias")
"""Softmax takes no notice of them: what gradient they have is rounding, which Adam makes large."""


@pytest.fixture(scope="module")
def masked_lm_teacher(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("masked-lm")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY_SIZE, max_position_embeddings=NUM_POSITIONS, hidden_size=64,
        num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    write_corpus(path, num_copies=4)
    return path


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts that ask and texts that tell, of which each fifth is also there without a label."""
    folder = tmp_path_factory.mktemp("texts")
    rows = [
        (text, label)
        for question in labelled_questions()
        for text, label in ((question.question, "asks"), (question.context[:80], "tells"))
    ]
    tabs = [f"{' '.join(text.split())}\t{label}\n" for text, label in rows]
    (folder / "labelled.tsv").write_text("text\tlabel\n" + "".join(tabs), encoding="utf-8")
    objects = [json.dumps({"text": text}) + "\n" for text, _ in rows[::5]]
    (folder / "others.jsonl").write_text("".join(objects), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """A random teacher that tells asking from telling."""
    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(0)
    labels = {0: "asks", 1: "tells"}
    config = make_config("bert", id2label=labels, label2id={n: i for i, n in labels.items()})
    BertForSequenceClassification(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


@pytest.fixture(params=["task", "pre-training", "texts", "fine-tuning"])
def options(
    request: pytest.FixtureRequest,
    student_folders: dict[str, Path],
    masked_lm_teacher: Path,
    corpus: Path,
    classifier: Path,
    texts: Path,
) -> tuple[str, ...]:
    """What each kind of training needs, for a run of any length."""
    if request.param == "task":
        given = ("--teacher", str(student_folders["bert"]), "--data", str(QUESTIONS))
    elif request.param == "texts":
        given = (
            "--teacher", str(classifier), "--data", str(texts / "labelled.tsv"),
            "--texts", str(texts / "others.jsonl"),
        )  # fmt: skip
    elif request.param == "fine-tuning":
        data = ("--task", "text-classification", "--data", str(texts / "labelled.tsv"))
        return ("finetune", str(masked_lm_teacher), *data, *SMALL)
    else:
        given = (
            "--teacher",
            str(masked_lm_teacher),
            "--data",
            str(corpus),
            "--mode",
            request.param,
        )
    return ("distill", *given, *SMALL, *ONE_LAYER)


def write_corpus(path: Path, *, num_copies: int) -> None:
    passages = [question.context.replace("\n", " ") for question in labelled_questions()]
    with path.open("w", encoding="utf-8") as corpus:
        for _ in range(num_copies):
            corpus.writelines(f"{passage}\n" for passage in passages)


def log_of(folder: Path) -> list[dict[str, object]]:
    """Returns a run's log, but for how long it took."""
    lines = (folder / "training" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    read = [json.loads(line) for line in lines]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in read]


def distill(*arguments: str | Path) -> None:
    """Runs the command in this process, which saves the imports."""
    assert run([*map(str, arguments)]) == 0


def refusal(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, str]:
    """Runs a command that must be refused as wrong input, and returns what it said."""
    assert run([*map(str, arguments), "--json"]) == 2
    error: dict[str, str] = json.loads(capfd.readouterr().out.splitlines()[-1])["error"]
    return error


def kill_when(arguments: Sequence[str | Path], *, condition: Callable[[], bool]) -> None:
    """Runs the command, and kills it without warning as soon as the condition holds."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_distill_killed_and_resumed_ends_with_the_same_weights(
    options: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = (
        *options, "--steps", "120", "--save-every", "15", "--eval-every", "50",
        "--ema-decay", "0.95",
    )  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    distill(*arguments, "-o", whole)
    kill_when(
        (*arguments, "-o", killed),
        condition=lambda: (killed / "training/checkpoint-00000045").is_dir(),
    )
    # What is no way to go on leaves the checkpoint as it is.
    assert "--resume" in refusal(capfd, *arguments, "-o", killed)["hint"]
    other = refusal(capfd, *arguments, "-o", killed, "--resume", "--weight-decay", "0.5")
    assert "weight_decay" in other["message"]
    distill(*arguments, "-o", killed, "--resume")

    own = (killed / "model.safetensors").read_bytes()
    assert own == (whole / "model.safetensors").read_bytes()
    assert log_of(killed) == log_of(whole)
    assert not list((killed / "training").glob("checkpoint-*"))
    assert "has ended" in refusal(capfd, *arguments, "-o", killed, "--resume")["message"]


def test_distill_keeps_the_moving_average_of_the_weights(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    runs = {
        "start": ("--learning-rate", "0"),
        "end": ("--learning-rate", "1e-3"),
        "average": ("--learning-rate", "1e-3", "--ema-decay", "0.75"),
    }
    for name, given in runs.items():
        distill(*options, "--steps", "1", *given, "-o", tmp_path / name)
    start, end, average = (load_file(tmp_path / name / "model.safetensors") for name in runs)

    assert any(not torch.equal(start[name], end[name]) for name in start)
    for name, value in average.items():
        torch.testing.assert_close(value, 0.75 * start[name] + 0.25 * end[name])


def test_distill_with_another_seed_ends_with_other_weights(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    for seed in ("0", "1"):
        distill(*options, "--steps", "5", "--seed", seed, "-o", tmp_path / seed)
    weights = [(tmp_path / seed / "model.safetensors").read_bytes() for seed in ("0", "1")]
    assert weights[0] != weights[1]


def test_distill_in_two_processes_has_the_losses_of_one(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    arguments = (
        *options, *NO_DROPOUT, "--steps", "20", "--learning-rate", "1e-3", "--ema-decay", "0.9",
    )  # fmt: skip
    alone, both = tmp_path / "alone", tmp_path / "both"

    distill(*arguments, "-o", alone)
    launched = subprocess.run(
        [
            sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu",
            "--num_processes", "2", "--main_process_port", "0",
            "-m", "pipeline", *arguments, "-o", str(both),
        ],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        timeout=180, check=False,
    )  # fmt: skip

    assert launched.returncode == 0, launched.stderr
    assert json.loads((both / "training/run.json").read_text())["num_processes"] == 2
    losses = [
        [line["loss"] for line in log_of(folder) if "loss" in line] for folder in (alone, both)
    ]
    assert len(losses[0]) == 2
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    own, other = (load_file(folder / "model.safetensors") for folder in (alone, both))
    for name, value in own.items():
        if not name.endswith(WITHOUT_GRADIENT):
            torch.testing.assert_close(other[name], value, rtol=0, atol=5e-4)


def test_distill_with_accumulation_has_the_losses_of_whole_batches(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    losses = []
    for accumulate in ("1", "4"):
        folder = tmp_path / accumulate
        cut = ("--accumulate", accumulate, "-o", folder)
        distill(*options, *NO_DROPOUT, "--steps", "20", *cut)
        losses.append([line["loss"] for line in log_of(folder) if "loss" in line])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_distill_lowers_the_loss(
    options: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--steps", "100", "--learning-rate", "2e-3", "-o", tmp_path / "run", "--json")
    distill(*options, *NO_DROPOUT, *arguments)
    result = json.loads(capfd.readouterr().out)
    losses = [float(str(line["loss"])) for line in log_of(tmp_path / "run") if "loss" in line]
    assert losses[-1] < 0.95 * losses[0]
    assert result["steps"] == 100
    assert result["folder"] == str(tmp_path / "run")


def test_distill_loss_that_is_no_number_names_step_and_batch_and_keeps_the_checkpoint(
    options: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    error = refusal(
        capfd, *options, "--steps", "40", "--save-every", "1", "--warmup", "0",
        "--learning-rate", "1e38", "-o", folder,
    )  # fmt: skip
    step = int(error["message"].partition("at step ")[2].split()[0])
    assert "the batch holds " in error["message"]
    assert [path.name for path in (folder / "training").glob("checkpoint-*")] == [
        f"checkpoint-{step - 1:08d}"
    ]


def test_distill_on_questions_gives_a_student_that_builds_read(
    student_folders: dict[str, Path], tmp_path: Path
) -> None:
    distill(
        "distill", "--teacher", student_folders["bert"], "--data", QUESTIONS, *SMALL, *ONE_LAYER,
        "--steps", "3", "-o", tmp_path / "run", "--fp16-weights",
    )  # fmt: skip
    student = load(str(tmp_path / "run"))
    assert type(student.model).__name__ == "DistilBertForQuestionAnswering"
    assert student.model.config.n_layers == 1


def test_distill_in_both_stages_goes_from_text_to_questions(
    student_folders: dict[str, Path], masked_lm_teacher: Path, corpus: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "pre-trained", tmp_path / "student"
    distill(
        "distill", "--mode", "pre-training", "--teacher", masked_lm_teacher, "--data", corpus,
        *SMALL, *ONE_LAYER, "--steps", "3", "-o", first,
    )  # fmt: skip
    model, info = AutoModelForMaskedLM.from_pretrained(first, output_loading_info=True)
    assert type(model).__name__ == "DistilBertForMaskedLM"
    assert not info["missing_keys"] and not info["unexpected_keys"]

    distill(
        "distill", "--teacher", student_folders["bert"], "--student", first, "--layer-map", "1",
        "--data", QUESTIONS, *SMALL, *ONE_LAYER, "--steps", "3", "-o", second,
    )  # fmt: skip
    assert type(load(str(second)).model).__name__ == "DistilBertForQuestionAnswering"


@pytest.mark.parametrize("task", ["text-classification", "question-answering"])
def test_finetune_gives_a_teacher_that_distill_and_builds_read(
    task: str, masked_lm_teacher: Path, texts: Path, tmp_path: Path
) -> None:
    data = ("--data", texts / "labelled.tsv" if task == "text-classification" else QUESTIONS)
    distill(
        "finetune", masked_lm_teacher, "--task", task, *data, *SMALL, "--steps", "3",
        "-o", tmp_path / "teacher",
    )  # fmt: skip
    teacher = load(str(tmp_path / "teacher"))
    assert task == teacher.task.NAME
    assert teacher.input_names == ("input_ids", "attention_mask", "token_type_ids")
    assert "fine-tuned from **masked-lm" in (tmp_path / "teacher/README.md").read_text()

    distill(
        "distill", "--teacher", tmp_path / "teacher", *data, *SMALL, *ONE_LAYER, "--steps", "3",
        "-o", tmp_path / "student",
    )  # fmt: skip
    student = load(str(tmp_path / "student"))
    assert (student.task.NAME, student.task.labels) == (task, teacher.task.labels)
    assert student.model.config.n_layers == 1


def test_finetune_learns_to_tell_asking_from_telling(
    masked_lm_teacher: Path, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    distill(
        "finetune", masked_lm_teacher, "--task", "text-classification",
        "--data", texts / "labelled.tsv", *SMALL, "--steps", "150", "--learning-rate", "1e-3",
        "--eval-every", "50", "-o", tmp_path / "teacher", "--json",
    )  # fmt: skip
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert result["scores"]["accuracy"] >= 90


@pytest.mark.parametrize(
    ("problem", "label", "labels"),
    [
        ("multi_label_classification", ["long", "short"], ("long", "odd", "short")),
        ("regression", 0.5, ()),
    ],
)
def test_classifiers_of_several_labels_and_of_numbers_are_trained_and_distilled(
    problem: str, label: object, labels: tuple[str, ...], masked_lm_teacher: Path, tmp_path: Path
) -> None:
    path = tmp_path / "pairs.jsonl"
    lines = [
        {
            "text": f"tower {number}",
            "text_pair": "the keeper lit the lamp",
            "label": label if number % 2 else ["odd"] * (number % 4) if labels else number,
        }
        for number in range(40)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    distill(
        "finetune", masked_lm_teacher, "--task", "text-classification", "--data", path,
        "--problem-type", problem, *SMALL, "--steps", "3", "-o", teacher,
    )  # fmt: skip
    distill(
        "distill", "--teacher", teacher, "--data", path, *SMALL, *ONE_LAYER, "--steps", "3",
        "-o", student,
    )  # fmt: skip
    for folder in (teacher, student):
        config = json.loads((folder / "config.json").read_text())
        assert (config["problem_type"], config["text_pair"]) == (problem, True)
        assert load(str(folder)).task.labels == labels


def test_finetune_trims_the_vocabulary_first(
    masked_lm_teacher: Path, texts: Path, corpus: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few.txt"
    few.write_text("Who lit the lamp of the tower?\n")
    arguments = (
        "finetune", masked_lm_teacher, "--task", "text-classification",
        "--data", texts / "labelled.tsv", *SMALL, "--steps", "2",
    )  # fmt: skip
    sizes = []
    for words in (few, corpus):
        distill(*arguments, "--trim-vocab", words, "-o", tmp_path / words.stem)
        model = load(str(tmp_path / words.stem))
        assert model.tokenizer.get_vocab_size() == model.model.config.vocab_size
        sizes.append(model.model.config.vocab_size)
    assert sizes[0] < sizes[1] <= VOCABULARY_SIZE


def peak_megabytes(arguments: Sequence[str | Path]) -> float:
    """Returns the most memory that a run held."""
    measured = (
        "import sys; from pipeline.commands.app import run; "
        "from pipeline.running.jobs import peak_rss_bytes; "
        "code = run(sys.argv[1:]); print(peak_rss_bytes()); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1]) / 1e6


def test_distill_on_text_holds_no_more_memory_for_a_larger_corpus(
    masked_lm_teacher: Path, tmp_path: Path
) -> None:
    peaks = {}
    for num_copies in (500, 4000):
        path = tmp_path / f"{num_copies}.txt"
        write_corpus(path, num_copies=num_copies)
        peaks[path.stat().st_size / 1e6] = peak_megabytes(
            [
                "distill", "--mode", "pre-training", "--teacher", masked_lm_teacher,
                "--data", path, *SMALL, *ONE_LAYER, "--steps", "10",
                "-o", tmp_path / f"run-{num_copies}",
            ]
        )  # fmt: skip
        path.unlink()
    (small, small_peak), (large, large_peak) = sorted(peaks.items())
    assert large - small > 300
    assert large_peak - small_peak < 0.2 * (large - small)
