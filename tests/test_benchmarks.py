"""The benchmarks run to their end at toy sizes; what they measure there means nothing."""

import importlib
import json
from argparse import Namespace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import BertModel

from pipeline.bench import Measured
from pipeline.benchmark.contest import Row
from pipeline.build import BuildResult
from pipeline.comparison.runtimes import Skipped
from pipeline.student.trim import pieces_to_keep
from tests.command import ROOT, python
from tests.students import make_config, save_tokenizer

TOY = ("--seq-len", "32", "--repetitions", "2", "--threads", "1")
BENCHMARKS = ROOT / "benchmarks"
SCRIPT = """
import runpy, sys
from pathlib import Path
del sys.argv[0]
sys.path[0] = str(Path(sys.argv[0]).parent)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Is ``python`` with the path of a script."""


def test_distill_step_computes_what_the_bare_loop_computes(tmp_path: Path) -> None:
    printed, figures = run(
        tmp_path, "distill_step.py", "--layers", "2", "--batch-size", "2", *TOY
    )  # fmt: skip
    for row in ("product", "bare loop", "product / bare loop"):
        assert row in printed
    assert figures["ratio"]["median"] > 0
    for losses in figures["compared_losses"]:
        assert losses["product"] == pytest.approx(losses["bare loop"], rel=1e-5)


def test_distill_step_with_another_loss_than_the_bare_loop_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = load_script("distill_step", monkeypatch)
    product = SimpleNamespace(update=lambda batch, step: {"loss": 2.0})
    bare = SimpleNamespace(update=lambda batch: 2.1)
    with pytest.raises(SystemExit, match="the steps do not compute the same: at update 1 the"):
        script.compare_losses(product, bare, [None], tolerance=0.01)


@pytest.mark.parametrize("small", ["int8", pytest.param("auto:0.5", marks=pytest.mark.soak)])
def test_precision_table_weighs_and_asks_each_precision(
    tmp_path: Path, student_folder: Path, squad_file: Path, small: str
) -> None:
    printed, figures = run(
        tmp_path, "precision_table.py", student_folder, "--data", squad_file, "--limit", "3",
        "--backend", "tflite", "--precisions", "fp32", small, "--threads", "1",
    )  # fmt: skip
    head, _, *rows = printed.splitlines()
    assert head.startswith("| precision | runtime | MB | of fp32 | F1 | F1 lost (95 %) |")
    assert rows[0].startswith("| fp32 | litert |")
    assert {row.count(" | ") for row in rows} == {head.count(" | ")}
    exact = figures["rows"][0]
    assert (exact["same_answers"], exact["f1_lost"]) == (100, [0, 0, 0])
    assert figures["rows"][-1]["precision"] == small
    assert figures["rows"][-1]["size_bytes"] < 0.5 * exact["size_bytes"]


def test_founding_table_scores_and_times_teacher_and_student(
    tmp_path: Path, student_folders: dict[str, Path], squad_file: Path
) -> None:
    printed, figures = run(
        tmp_path, "founding_table.py", student_folders["bert"], student_folders["distilbert"],
        "--data", squad_file, "--limit", "2", *TOY,
    )  # fmt: skip
    head, _, *rows = printed.splitlines()[:8]
    assert head.startswith("| model | parameters, M | MB in fp16 | exact match | F1 | F1 kept |")
    assert [row.split(" | ")[0] for row in rows] == [
        "| bert, teacher", "| distilbert",
        "| BERT-base, random weights", "| DistilBERT-base, random weights",
        "| BERT-base, in the paper", "| DistilBERT-base, in the paper",
    ]  # fmt: skip
    assert {row.count(" | ") for row in rows} == {head.count(" | ")}
    assert [row["score"] and row["score"]["count"] for row in figures["rows"]] == [2, 2, None, None]
    assert figures["machine"]["threads"] == 1


def test_founding_table_without_data_leaves_the_answers_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = load_script("founding_table", monkeypatch)
    options = Namespace(data=None, seq_len=32, repetitions=2)
    ms = script.spread([1.0, 2.0])
    row = script.Row(
        name="A", base="A", num_parameters=10**6, latency_ms=ms, speed_up=ms, score=None
    )  # fmt: skip
    assert script.make_table([row], options).splitlines()[:3] == [
        "| model | parameters, M | MB in fp16 | ms at 32 tokens | speed-up |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| A | 1.0 | 2.0 | 1.5 | 1 |",
    ]
    assert any("no --data was given" in remark for remark in script.remarks([row], options))


def test_classify_stream_counts_every_line_and_what_it_cost(built_classifier: BuildResult) -> None:
    done = python(
        SCRIPT, BENCHMARKS / "classify_stream.py", built_classifier.folder, "--lines", "40"
    )
    assert done.code == 0, done.stderr
    assert done.json["lines"] == 40
    assert done.json["ratio_with_start"] > done.json["ratio"] > 1
    assert min(done.json["bytes_at_a_tenth"], done.json["bytes_at_the_end"]) > 10**7


def write_sets(data: Path) -> None:
    """Writes two sets as they are published: films, and which sentences answer."""
    (data / "rotten_tomatoes").mkdir(parents=True)
    (data / "selqa").mkdir()
    rows = [f"the lamp was lit {number}\t{number % 2}\n" for number in range(40)]
    for split in ("train", "dev"):
        path = data / "rotten_tomatoes" / f"{split}.tsv"
        path.write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
    questions = [
        {"question": f"Who lit lamp {number}?", "answers": [0],
         "candidates": ["The keeper lit it.", "Rain fell.", "The road was closed."]}
        for number in range(20)
    ]  # fmt: skip
    (data / "selqa" / "selqa-ass-dev.json").write_text(json.dumps(questions))


@pytest.mark.parametrize(
    "sets", [("selqa",), pytest.param(("rotten_tomatoes", "selqa"), marks=pytest.mark.soak)]
)
def test_founding_classification_trains_once_and_compares_teachers_and_students(
    tmp_path: Path, tokenizer: Tokenizer, sets: tuple[str, ...]
) -> None:
    data, runs = tmp_path / "data", tmp_path / "runs"
    encoder = runs / "encoders" / "bge-small-en-v1.5"
    write_sets(data)
    torch.manual_seed(0)
    BertModel(make_config("bert", num_layers=12)).save_pretrained(encoder)
    save_tokenizer(tokenizer, encoder)
    arguments = (
        "founding_classification.py", "--data", data, "--folder", runs, "--encoders",
        encoder.name, "--sets", *sets, "--held-out", "4", "--epochs", "0.2",
        "--batch-size", "4", "--limit", "30", "--timed", "2", "--picture", tmp_path / "kept.svg",
    )  # fmt: skip
    printed, figures = run(tmp_path, *arguments)
    assert [pair["name"] for pair in figures["pairs"]] == list(sets)
    assert {pair["count"] for pair in figures["pairs"]} == {6}
    for pair in figures["pairs"]:
        assert pair["kept"] == pytest.approx(100 * pair["student"] / pair["teacher"], nan_ok=True)
    (sizes,) = figures["sizes"]
    assert sizes["num_rows"] == 2 * len(sets)
    assert 0 < sizes["student_parameters"] < sizes["teacher_parameters"]
    student = json.loads((runs / encoder.name / "selqa/student/config.json").read_text())
    assert (student["n_layers"], student["text_pair"]) == (6, True)
    made = json.loads((runs / encoder.name / "selqa/student/training/run.json").read_text())
    assert made["layer_map"] == [0, 2, 4, 7, 9, 11]
    head, _, *rows = printed.splitlines()[: 2 + len(sets)]
    assert {row.count(" | ") for row in rows} == {head.count(" | ")}
    assert "<svg" in (tmp_path / "kept.svg").read_text()
    weights = {path: path.stat().st_mtime_ns for path in runs.rglob("model.safetensors")}
    again, _ = run(tmp_path, *arguments)
    assert again.splitlines()[: 2 + len(sets)] == printed.splitlines()[: 2 + len(sets)]
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("model.safetensors")} == weights


def test_sentiment_data_is_parted_and_its_words_fit_the_vocabulary(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = load_script("sentiment_data", monkeypatch)
    data = tmp_path / "data"
    table = "".join(f"The lamp of tower {number} was lit.\t{number % 2}\n" for number in range(50))
    sets = ("rotten_tomatoes", "product_reviews_hu_liu", "pros_cons", "movie_reviews_2k")
    for name in sets:
        (data / name).mkdir(parents=True)
        for split in ("train", "dev"):
            (data / name / f"{split}.tsv").write_text("text\tlabel\n" + table)
    context = "The keeper went to bed. Rain fell on the island for nine days."
    (data / "squadshifts").mkdir()
    for name in script.NUM_OTHER_SENTENCES:
        squad = {"data": [{"paragraphs": [{"context": context, "qas": []}]}]}
        (data / "squadshifts" / f"{name}.json").write_text(json.dumps(squad))
    (data / "goemotions").mkdir()
    (data / "goemotions" / "labels.txt").write_text("joy\nfear\nneutral\n")
    said = "a day\t0\tx\nno day\t1\tx\nso\t0,1\tx\nit\t2\tx\n"
    (data / "goemotions" / "dev.tsv").write_text(said)
    monkeypatch.setattr(script, "NUM_FRAGMENTS", 30)
    monkeypatch.setattr(script, "MAX_PIECES", 600)

    made = tmp_path / "made"
    script.write_all(data, made, tokenizer)
    emotions = (made / "goemotions-dev.tsv").read_text()
    assert emotions == "text\tlabel\na day\tpositive\nno day\tnegative\n"
    part = (made / "pros_cons-part.tsv").read_text().splitlines()[1:]
    more = [json.loads(line)["text"] for line in (made / "fragments-texts.jsonl").open()]
    assert (len(part), len(more)) == (30, 20)
    assert {line.partition("\t")[0] for line in part}.isdisjoint(more)
    words = (made / "words.txt").read_text().splitlines()
    kept = pieces_to_keep(tokenizer, [" ".join(words)])
    assert words[0] == "." and len(kept) <= 600
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    script.write_all(data, made, tokenizer)
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


def test_distillation_trials_asks_each_student_and_runs_no_trial_twice(
    tmp_path: Path, student_folders: dict[str, Path], squad_file: Path
) -> None:
    arguments = (
        "distillation_trials.py", student_folders["bert"], "--data", squad_file, "--test",
        squad_file, "--folder", tmp_path / "trials", "--trials", "2-layers", "--steps", "2",
        "--batch-size", "2", "--max-seq-len", "64", "--held-out", "3",
    )  # fmt: skip
    printed, figures = run(tmp_path, *arguments)
    head, _, teacher, student = printed.splitlines()
    assert head == "| trial | layers | updates | held-out F1 | exact match | F1 | F1 kept |"
    assert teacher.startswith("| the teacher | ")
    assert student.startswith("| 2 layers | 2 | 2 | ")
    assert (tmp_path / "figures.svg").read_text(encoding="utf-8").startswith("<svg")
    assert run(tmp_path, *arguments) == (printed, figures)
    (tmp_path / "figures.json").unlink()  # as if it had been stopped before the test questions
    assert run(tmp_path, *arguments) == (printed, figures)
    (tmp_path / "figures.json").unlink()
    with pytest.raises(AssertionError, match="holds a trial of other options"):
        run(tmp_path, *arguments, "--batch-size", "1")


def test_evaluator_time_compares_the_evaluator_with_pytorch(
    tmp_path: Path, student_folders: dict[str, Path]
) -> None:
    printed, figures = run(
        tmp_path, "evaluator_time.py", student_folders["distilbert"], "--precisions", "fp16",
        "--most", "inf", *TOY,
    )  # fmt: skip
    head, _, row = printed.splitlines()
    assert head == "| precision | evaluator, ms at 32 tokens | PyTorch, ms | ratio |"
    assert row.startswith("| fp16 | ")
    assert figures["rows"][0]["ratio"]["median"] > 0


def test_coreml_cost_counts_both_layouts_and_each_rewrite(
    tmp_path: Path, student_folders: dict[str, Path]
) -> None:
    printed, figures = run(
        tmp_path, "coreml_cost.py", student_folders["distilbert"], "--precisions", "fp16",
        "--each", *TOY,
    )  # fmt: skip
    head, _, *lines = printed.splitlines()
    assert head.startswith("| model | precision | layout | operators | reshapes | transposes |")
    assert {line.count(" | ") for line in lines} == {head.count(" | ")}
    rows = {row["layout"]: row for row in figures["rows"]}
    assert len(rows) == 2 + 4
    tokens, channels = rows["tokens"], rows["channels first"]
    assert tokens["num_ops"]["linear"] == channels["num_ops"]["conv"] == 13
    assert "reshape" not in channels["num_ops"]
    # The least that a program moves is its linear layers' weights, two bytes each.
    least = 2 * 2 * (4 * 64 * 64 + 2 * 64 * 128)
    assert all(least < row["moved_bytes"] < 50 * least for row in rows.values())


def test_peers_tables_tell_what_is_met_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = load_script("peer_tables", monkeypatch)
    latency_ms = {
        ("pytorch", "fp32"): 100.0, ("executorch", "fp32"): 90.0, ("executorch", "int8"): 40.0,
        ("litert", "fp32"): 110.0, ("litert", "int8"): 20.0, ("onnxruntime", "int8"): 30.0,
        ("bert-base-pytorch", "fp32"): 200.0,
    }  # fmt: skip
    rows = [peer_row(*name, ms, pytorch_ms=100) for name, ms in latency_ms.items()]
    skipped = (Skipped(runtime="optimum-executorch", reason="not here"),)
    text = tables.make_tables({"base": Measured(rows=tuple(rows), skipped=skipped)}, [])
    for line in (
        "| litert | int8 | 2.0 | 20.0 | 19.0-21.0 | 0.20 | 50 % | 9 | 8 | 5 |",
        "SKIPPED optimum-executorch: not here",
        "- met: executorch fp32: 0.900 of PyTorch, at most 1.0",
        "- MISSED: executorch int8: 0.400 of PyTorch, at most 0.33",
        "- MISSED: executorch int8: 1.33 of ONNX Runtime int8, below 1",
        "- MISSED: executorch int8: 5.0 times as fast as BERT-base, at least 6",
        "- MISSED: litert fp32: 1.100 of PyTorch, at most 1.0",
        "- met: litert int8: 0.67 of ONNX Runtime int8, below 1",
        "- met: litert int8: 10.0 times as fast as BERT-base, at least 6",
    ):
        assert line in text.splitlines()


def test_peers_fit_finds_a_line_and_the_point_that_leaves_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    contest, tables = (load_script(name, monkeypatch) for name in ("peer_contest", "peer_tables"))
    times_ms = {1: (10.0, 5.0), 2: (18.0, 9.0), 4: (34.0, 17.0), 6: (50.0, 35.0)}
    layers = {
        number: [peer_row("pytorch", "fp32", slow), peer_row("litert", "int8", fast)]
        for number, (slow, fast) in times_ms.items()
    }
    straight, bent = contest.fit_layers(layers)
    assert (straight.ms_a_layer, straight.ms_beside) == pytest.approx((8, 2))
    assert straight.largest_residual == pytest.approx(0, abs=1e-9)
    assert (bent.runtime, bent.largest_residual > 0.1) == ("litert", True)
    measured = {"base": Measured(rows=(*layers[6], peer_row("executorch", "int8", 9)), skipped=())}
    tables.draw_all(tmp_path, measured, layers, [straight, bent])
    assert {path.name for path in tmp_path.iterdir()} == {"peers.svg", "lengths.svg", "layers.svg"}
    for path in tmp_path.iterdir():
        assert path.read_text(encoding="utf-8").startswith("<svg")


def peer_row(runtime: str, precision: str, ms: float, *, pytorch_ms: float = 50) -> Row:
    return Row(
        model="m", runtime=runtime, precision=precision, seq_len=384, num_threads=1, latency_ms=ms,
        lower_quartile_ms=ms - 1, upper_quartile_ms=ms + 1, ratio_to_pytorch=ms / pytorch_ms,
        cold_start_ms=9, size_bytes=2_000_000, peak_rss_bytes=8_000_000, bare_rss_bytes=3_000_000,
        roofline_share=0.5,
    )  # fmt: skip


def load_script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module(name)


def run(folder: Path, script: str, *arguments: str | Path) -> tuple[str, Any]:
    """Returns what a benchmark printed and the figures that it wrote."""
    figures = folder / "figures.json"
    done = python(SCRIPT, BENCHMARKS / script, *arguments, "--json", figures, timeout=300)
    assert done.code == 0, done.stderr
    return done.stdout, json.loads(figures.read_text(encoding="utf-8"))
