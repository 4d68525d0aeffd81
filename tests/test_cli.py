"""The command line as a person and a script meet it.

Most commands run in this process, as starting an interpreter takes longer than what they do.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from converters.values.errors import storage_error
from pipeline import __version__
from pipeline.bundle.manifest import read_manifest, write_manifest
from pipeline.bundle.open import open_bundle
from pipeline.commands import app
from pipeline.conversion.recipe import read_recipe
from pipeline.student.load import load
from pipeline.tokenizer.tokenization import write_tokenizer
from tests.bundles import problems_of, write_bundle
from tests.command import COMMAND, ROOT, Finished, pocketbert
from tests.conftest import TINY_SEQ_LENS
from tests.pipeline.test_evaluate import prefers_none
from tests.students import save_student

CONTEXT = "The tower was lit in 1871 [citation needed], and the road to the harbour was closed."
QUESTION = "When was the tower lit?"

Call = Callable[..., Finished]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in this process."""

    def run(*arguments: str | Path) -> Finished:
        capfd.readouterr()
        code = app.run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Finished(code=code, stdout=captured.out, stderr=captured.err)

    return run


def refused(finished: Finished, *, code: int = 2) -> str:
    """Checks that a failure is told in one line that says what to do, and returns the line."""
    assert finished.code == code, finished.stderr
    assert finished.stdout == ""
    told = finished.stderr.splitlines()[-1]
    assert told.startswith("pocketbert: ")
    assert finished.stderr.count("pocketbert: ") == 1
    assert told.endswith(")"), "no hint"
    assert "bug of ours" not in told
    return told


# What the commands print


def test_command_line_imports_no_framework_before_a_command_needs_it():
    # Each worker process imports this module again, and most of them run without PyTorch.
    heavy = "{'torch', 'transformers', 'tensorflow', 'coremltools', 'scipy'} & set(sys.modules)"
    modules = "pipeline.commands.app, pipeline.comparison.runtimes, converters.tflite.backend"
    code = f"import sys, {modules}; print({heavy})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_build_json_has_the_fields_that_others_rely_on(built):
    found = built.finished.json
    assert set(found) == {"bundle", "seconds", "artifacts", "parity", "skipped", "reused"}
    assert found["bundle"] == str(built.folder)
    assert 0 < found["seconds"] < 600
    (artifact,) = found["artifacts"]
    path = built.folder / "tflite" / "model.tflite"
    assert artifact == {
        "backend": "tflite",
        "precision": "fp32",
        "path": str(path),
        "size_bytes": path.stat().st_size,
        "seq_lens": list(TINY_SEQ_LENS),
    }
    assert found["parity"]
    for parity in found["parity"]:
        assert set(parity) == {
            "backend", "runtime", "precision", "seq_len", "verdict", "max_abs_diff",
            "mean_abs_diff", "relative_error", "cosine", "snr_db", "kl_divergence",
            "answer_agreement", "num_near_ties", "text_agreement", "answer_f1", "exact_match", "f1",
            "f1_drop", "f1_drop_interval", "num_inputs", "gates", "reason", "worst", "error_counts",
        }  # fmt: skip
        assert (parity["backend"], parity["precision"]) == ("tflite", "fp32")
        assert (parity["verdict"], parity["num_inputs"], parity["reason"]) == ("pass", 6, "")
        assert parity["max_abs_diff"] <= 1e-4
        for gate in parity["gates"]:
            assert set(gate) == {"name", "verdict", "value", "threshold", "detail"}
    lengths = [each["seq_len"] for each in found["parity"] if each["runtime"] == "litert"]
    assert lengths == list(TINY_SEQ_LENS)
    for skipped in found["skipped"]:
        assert set(skipped) == {"runtime", "reason"}


def test_build_tells_each_stage_on_stderr_and_one_object_on_stdout(built):
    assert len(built.finished.stdout.splitlines()) == 1
    stages = [line.split("  ")[0] for line in built.finished.stderr.splitlines()]
    for stage in ("load", "trace", "convert tflite", "run pytorch", "run litert", "bundle"):
        assert stage in stages


def test_build_writes_what_design_promises(built):
    names = {path.relative_to(built.folder).as_posix() for path in built.folder.rglob("*.*")}
    assert names == {
        "manifest.json", "tokenizer/vocab.txt", "tokenizer/tokenizer.json",
        "tokenizer/unicode.json", "tflite/model.tflite",
        "vectors.json", "parity.json", "recipe.json", "report.html",
    }  # fmt: skip
    assert problems_of(built.folder) == ()
    everything = b"".join(path.read_bytes() for path in built.folder.rglob("*") if path.is_file())
    assert str(built.folder.parents[1]).encode() not in everything, "a path of this machine"


def test_build_with_a_trimmed_vocabulary_says_what_it_saved(built_trimmed, tokenizer):
    found = built_trimmed.finished.json
    saved = found["vocabulary"]
    assert set(saved) == {"num_pieces", "num_pieces_before", "num_weights_saved"}
    assert saved["num_pieces"] < saved["num_pieces_before"] == tokenizer.get_vocab_size()
    dropped = saved["num_pieces_before"] - saved["num_pieces"]
    assert saved["num_weights_saved"] == 64 * dropped
    assert [each["verdict"] for each in found["parity"]] == ["pass"]
    assert "\ntrim vocabulary " in built_trimmed.finished.stderr


def test_build_with_a_trimmed_vocabulary_writes_one_vocabulary_everywhere(built_trimmed, tokenizer):
    folder, saved = built_trimmed.folder, built_trimmed.finished.json["vocabulary"]
    assert problems_of(folder) == ()
    packed = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json")).get_vocab()
    words = (folder / "tokenizer" / "vocab.txt").read_text().removesuffix("\n").split("\n")
    assert packed == {word: index for index, word in enumerate(words)}
    assert len(words) == saved["num_pieces"]
    assert words == sorted(words, key=tokenizer.token_to_id)
    special = read_manifest(folder).tokenizer.special_tokens
    assert special == {token: words.index(token) for token in special}
    for vector in json.loads((folder / "vectors.json").read_bytes())["examples"]:
        asked = vector["texts"]["question"]
        question = tokenizer.encode(asked, add_special_tokens=False).tokens
        ids = vector["rows"][0]["input_ids"]
        assert [words[index] for index in ids[: len(question) + 1]] == ["[CLS]", *question]


@pytest.mark.parametrize("found_by", ["cache", "name"])
def test_student_of_a_trimmed_bundle_is_found_and_trimmed(
    call, built_trimmed, student_folder, squad_file, tmp_path, monkeypatch, found_by
):
    """Every text is read with the bundle's vocabulary, one that its corpus lacks too."""
    named = []
    if found_by == "name":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        named = ["--reference", student_folder]
    folder, other = built_trimmed.folder, "The keeper's cottages house an observatory, café."
    asked = call("ask", folder, "-q", "Who came?", "-c", other, *named, "--json")
    assert asked.code == 0
    assert [each["runtime"] for each in asked.json["answers"]] == ["pytorch", "executorch"]
    first, second = asked.json["answers"]
    assert (first["text"], first["start"]) == (second["text"], second["start"])
    assert first["score"] == pytest.approx(second["score"], abs=1e-4)
    parity = call("parity", folder, "--limit", "5", *named, "--json")
    assert parity.code == 0
    assert parity.json["parity"][0]["max_abs_diff"] <= 1e-4
    assert call("eval", folder, "--data", squad_file, *named).code == 0


def test_student_of_a_trimmed_bundle_with_another_vocabulary_is_no_reference(
    call, built_trimmed, student_copy
):
    """The weights are the same; what its tokens mean is not."""
    path = student_copy / "tokenizer.json"
    path.write_text(path.read_text().replace('"the"', '"zebra"'))
    told = refused(call("parity", built_trimmed.folder, "--reference", student_copy))
    assert "lacks 'the'" in told


def asked(call: Call, bundle: Path, *arguments: str | Path) -> Finished:
    return call(
        "ask", bundle, "-q", QUESTION, *arguments, "--runtime", "pytorch", "--runtime", "litert"
    )


def test_ask_json_has_an_answer_of_every_runtime(built, call):
    finished = asked(call, built.folder, "-c", CONTEXT, "--json")
    assert finished.code == 0
    found = finished.json
    assert set(found) == {"answers", "skipped"}
    assert [answer["runtime"] for answer in found["answers"]] == ["pytorch", "litert"]
    for answer in found["answers"]:
        assert set(answer) == {"runtime", "text", "start", "end", "score", "latency_ms"}
        assert answer["text"] == CONTEXT[answer["start"] : answer["end"]] != ""
        assert 0 < answer["score"] <= 1
        assert answer["latency_ms"] > 0
    assert found["answers"][0]["text"] == found["answers"][1]["text"]
    assert found["skipped"] == []


def test_bench_json_has_the_fields_that_others_rely_on(built, call):
    finished = call("bench", built.folder, "--repetitions", "2", "--threads", "1", "--json")
    assert finished.code == 0, finished.stderr
    assert set(finished.json) == {"rows", "roofs", "skipped"}
    assert finished.json["roofs"] == []
    for row in finished.json["rows"]:
        assert set(row) >= {
            "model", "runtime", "precision", "seq_len", "num_threads", "latency_ms",
            "ratio_to_pytorch", "size_bytes", "peak_rss_bytes",
        }  # fmt: skip
        assert row["num_threads"] == 1


def test_bench_table_tells_the_model_and_every_runtime(built, call):
    finished = call("bench", built.folder, "--repetitions", "2")
    assert finished.code == 0
    for told in ("batch 1", "pytorch", "litert", "above the bare runtime"):
        assert told in finished.stdout


def test_bench_peers_without_the_student_are_skipped(built, call, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    finished = call(
        "bench", built.folder, "--peers", "--repetitions", "2", "--runtime", "litert", "--json"
    )
    assert finished.code == 0, finished.stderr
    reasons = {each["runtime"]: each["reason"] for each in finished.json["skipped"]}
    for runtime in ("onnxruntime", "litert-plain", "pytorch-compiled", "bert-base-pytorch"):
        assert "the PyTorch student, which was not found" in reasons[runtime]
    assert {row["runtime"] for row in finished.json["rows"]} == {"litert"}


def test_bench_of_a_bundle_and_a_model_at_once_is_refused(built, call):
    assert "not both" in refused(call("bench", built.folder, "--model", "base"))


def test_bench_measures_those_lengths_of_the_bundle_that_are_asked_for(built, call):
    finished = call(
        "bench", built.folder, "--seq-len", "64", "--repetitions", "2", "--runtime", "litert",
        "--json",
    )  # fmt: skip
    assert finished.code == 0, finished.stderr
    assert [row["seq_len"] for row in finished.json["rows"]] == [64]


def test_ask_says_what_it_read_of_a_question_that_is_too_long(built, call):
    """Of 64 tokens three are special; a question has at most half of the rest."""
    long = "when " * 31
    for question, said in (("when " * 30, False), (long, True)):
        arguments = ["ask", built.folder, "-q", question, "-c", CONTEXT, "--runtime", "litert"]
        finished = call(*arguments, "--json")
        assert finished.code == 0, finished.stderr
        remarks = finished.json.get("remarks", [])
        told = "the question has 31 tokens, of which only the first 30 are read"
        assert (told in remarks) == said
        assert (told in call(*arguments).stdout) == said


def test_ask_says_where_no_answer_is_ahead_of_the_span(built, call, students):
    vocabulary = sorted(students["distilbert"].tokenizer.get_vocab())
    for word in [word for word in vocabulary if word.isalpha() and len(word) > 3][:10]:
        expected = prefers_none(students["distilbert"], question=QUESTION, context=word)
        finished = call(
            "ask", built.folder, "-q", QUESTION, "-c", word, "--runtime", "litert", "--json"
        )
        remarks = finished.json.get("remarks", [])
        assert any('litert: "no answer" is ahead' in each for each in remarks) == expected


def test_eval_tells_which_questions_could_not_be_asked(built, call, tmp_path):
    """Of many, people see the first by name."""
    names = [f"{'дорога ' * 9}[/b] {number}" for number in range(12)]
    labels = {"When was the tower lit?": ["zebra"], **{name: ["x"] for name in names}}
    data = write_squad(tmp_path / "data.json", labels)
    arguments = ["eval", built.folder, "--data", data, "--runtime", "litert"]
    finished = call(*arguments, "--json")
    assert finished.code == 0, finished.stderr
    assert finished.json["results"][0]["count"] == 13
    found = finished.json["unreadable"]
    assert [each["id"] for each in found] == names
    assert all("not in the student's vocabulary" in each["reason"] for each in found)
    told = call(*arguments).stdout
    assert f"12 questions could not be asked, counted as wrong: {names[0]} (" in told
    assert f"{names[9]} (" in told
    assert f"{names[10]} (" not in told
    assert "and 2 more, which --json names" in told


def test_parity_leaves_out_what_cannot_be_asked_and_says_so(built, call, tmp_path):
    labels = {"When was the tower lit?": ["x"], "дорога": ["x"]}
    data = write_squad(tmp_path / "data.json", labels)
    arguments = ["parity", built.folder, "--data", data, "--runtime", "litert"]
    finished = call(*arguments, "--json")
    assert finished.code == 0, finished.stderr
    assert {each["num_inputs"] for each in finished.json["parity"]} == {1}
    (unreadable,) = finished.json["unreadable"]
    assert unreadable["id"] == "дорога"
    assert "1 question could not be asked, not compared: дорога (" in call(*arguments).stdout


def test_ask_table_holds_the_answers_as_they_stand(built, call):
    text = asked(call, built.folder, "-c", CONTEXT, "--json").json["answers"][0]["text"]
    finished = call(
        "ask", built.folder, "-q", "What is [/b] [red]?", "-c", CONTEXT, "--runtime", "litert"
    )
    assert finished.code == 0
    assert "What is [/b] [red]?" in finished.stdout
    plain = asked(call, built.folder, "-c", CONTEXT)
    assert plain.code == 0
    assert "pytorch" in plain.stdout
    assert text.split()[0] in plain.stdout


def test_ask_long_context_is_read_in_windows(built, call):
    context = "Rain fell on the island for nine days. " * 200 + CONTEXT
    finished = asked(call, built.folder, "-c", context, "--json")
    assert finished.code == 0
    first, second = finished.json["answers"]
    assert (first["start"], first["end"]) == (second["start"], second["end"])
    assert context[first["start"] : first["end"]] == first["text"]


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_ask_context_file_counts_characters_of_the_file(built, call, tmp_path, end):
    path = tmp_path / "context.txt"
    text = f"Ünïcödé 東京 😀{end}{end}{CONTEXT}{end}"
    path.write_bytes(text.encode())
    found = asked(call, built.folder, "--context-file", path, "--json").json
    for answer in found["answers"]:
        assert text[answer["start"] : answer["end"]] == answer["text"]


def test_parity_report_is_one_page_that_needs_nothing_else(built, call, tmp_path):
    folder = tmp_path / "report"
    names = ("--runtime", "litert", "--limit", "2")
    finished = call("parity", built.folder, *names, "--report", folder, "--json")
    assert finished.code == 0
    assert json.loads((folder / "parity.json").read_text()) == finished.json
    text = (folder / "report.html").read_text()
    assert "PASS" in text
    assert "http" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "")
    assert "<script" not in text


def test_parity_report_that_cannot_be_written(built, call, tmp_path):
    (tmp_path / "file").write_text("")
    names = ("--runtime", "litert", "--limit", "1")
    finished = call("parity", built.folder, *names, "--report", tmp_path / "file")
    assert finished.code == 4
    assert "cannot be written" in finished.stderr


def test_parity_json(built, call):
    finished = call("parity", built.folder, "--limit", "2", "--runtime", "litert", "--json")
    assert finished.code == 0
    assert set(finished.json) == {"parity", "skipped"}
    assert [(each["runtime"], each["num_inputs"]) for each in finished.json["parity"]] == [
        ("litert", 2), ("litert", 2),
    ]  # fmt: skip


def write_squad(path: Path, labels: dict[str, list[str]]) -> Path:
    """Writes questions over one context, each with the answers that count as right."""
    qas = [
        {"id": question, "question": question,
         "answers": [{"text": text, "answer_start": 0} for text in texts]}
        for question, texts in labels.items()
    ]  # fmt: skip
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": CONTEXT, "qas": qas}]}]}))
    return path


def test_eval_scores_the_answers_against_the_labels(built, call, tmp_path):
    """Two of four questions are labelled with what the random student answers."""
    questions = ["When was the tower lit?", "What was closed?", "Who came?", "How tall is it?"]
    first, second = (
        call("ask", built.folder, "-q", each, "-c", CONTEXT, "--runtime", "pytorch", "--json").json[
            "answers"
        ][0]["text"]
        for each in questions[:2]
    )
    labels = {
        questions[0]: ["zebra", f"The {first.upper()}!"],  # the same once normalized
        questions[1]: [second],
        questions[2]: ["zebra"],
        questions[3]: ["zebra"],
    }
    data = write_squad(tmp_path / "data.json", labels)
    finished = call(
        "eval",
        built.folder,
        "--data",
        data,
        "--runtime",
        "pytorch",
        "--runtime",
        "litert",
        "--json",
    )
    assert finished.code == 0
    assert finished.json == {
        "results": [
            {"runtime": runtime, "exact_match": 50.0, "f1": 50.0, "count": 4}
            for runtime in ("pytorch", "litert")
        ],
        "skipped": [],
    }


def test_eval_model_runs_pytorch_alone_and_obeys_the_limit(student_folder, squad_file, call):
    finished = call("eval", student_folder, "--data", squad_file, "--limit", "2", "--json")
    assert finished.code == 0
    (result,) = finished.json["results"]
    assert (result["runtime"], result["count"]) == ("pytorch", 2)


def test_inspect_json(built, call):
    artifact = built.folder / "tflite" / "model.tflite"
    for target in (built.folder, artifact):
        finished = call("inspect", target, "--json")
        assert finished.code == 0
        (found,) = finished.json["artifacts"]
        assert set(found) == {
            "path", "size_bytes", "bytes_by_dtype", "largest_tensors", "float_bytes",
            "largest_float_tensors", "num_ops", "num_delegated_ops", "num_macs",
            "num_delegated_macs",
        }  # fmt: skip
        assert found["path"] == str(artifact)
        assert found["size_bytes"] == artifact.stat().st_size
        assert found["bytes_by_dtype"]["float32"] > 0.7 * found["size_bytes"]
        assert found["float_bytes"] == found["bytes_by_dtype"]["float32"]
        assert found["num_ops"] > 50
        assert found["num_delegated_macs"] == found["num_macs"]
        largest = found["largest_tensors"]
        assert found["largest_float_tensors"][0] == largest[0]
        assert set(largest[0]) == {"name", "dtype", "size_bytes"}
        sizes = [tensor["size_bytes"] for tensor in largest]
        assert sizes == sorted(sizes, reverse=True)


VERIFIED = {"ok": True, "problems": [], "signature": "none", "signer": None, "platform": None}


def test_verify_json(bundle_copy, call):
    assert call("verify", bundle_copy, "--json").json == VERIFIED
    (bundle_copy / "parity.json").write_text("{}")
    (bundle_copy / "added").touch()
    finished = call("verify", bundle_copy, "--json")
    assert finished.code == 1
    assert finished.json["ok"] is False
    assert {each["path"] for each in finished.json["problems"]} == {"added", "parity.json"}
    assert all(set(each) == {"path", "problem"} for each in finished.json["problems"])


def test_build_that_fails_its_audit_ends_with_one_and_leaves_the_earlier_bundle(
    bundle_copy, student_folder, tmp_path
):
    """A recipe that calls its floats int8 is what a converter does that declines to compress."""
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"precision": "int8", "default": "fp16"}))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    finished = pocketbert(
        "build", student_folder, "-o", bundle_copy, "--backend", "tflite", "--recipe", recipe,
        "--seq-len", "32", "--json",
    )  # fmt: skip
    assert finished.code == 1
    assert finished.error["message"].startswith(
        "the int8 file for tflite is not what it claims to be: "
        "model.distilbert.embeddings.word_embeddings.weight stayed in float32, 204,800 bytes; "
    )
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert problems_of(bundle_copy) == ()


def test_verify_damaged_bundle_ends_with_one_and_names_the_file(bundle_copy, call):
    (bundle_copy / "tflite" / "model.tflite").write_bytes(b"")
    finished = call("verify", bundle_copy)
    assert finished.code == 1
    assert "tflite/model.tflite: changed" in finished.stdout


def test_doctor_json(call):
    finished = call("doctor", "--json")
    assert finished.code == 0
    findings = finished.json["findings"]
    kinds = {each["kind"] for each in findings}
    assert kinds == {"python", "package", "backend", "training", "runtime"}
    assert ("backend", "tflite", True) in [(x["kind"], x["name"], x["ok"]) for x in findings]


def test_version_and_help(call):
    version = call("--version")
    assert (version.code, version.stdout.strip()) == (0, __version__)
    for arguments in (["--help"], ["build", "--help"], ["verify", "--help"]):
        finished = call(*arguments)
        assert finished.code == 0
        assert "Usage" in finished.stdout


def test_no_command_shows_the_help(call):
    finished = call()
    assert finished.code == 2
    assert "Usage" in finished.stdout + finished.stderr


def test_verify_in_a_process_of_its_own_prints_one_object(built):
    """What the other tests do in one process, once as a script does it."""
    finished = pocketbert("verify", built.folder, "--json")
    assert (finished.code, finished.json, finished.stderr) == (0, VERIFIED, "")
    finished = pocketbert("verify", built.folder / "absent", "--json")
    assert (finished.code, finished.stderr) == (2, "")
    assert finished.error["message"] == f"no bundle at {built.folder / 'absent'}"


# Bad input


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"], ["build", "--no-such-flag"], ["ask"], ["build", "a", "b"],
        ["eval", "model"], ["parity", "x", "--limit", "0"], ["parity", "x", "--limit", "many"],
        ["verify"], ["inspect"], ["ask", "x"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_wrong_call_is_refused(call, arguments, as_json):
    finished = call(*arguments, *(["--json"] if as_json else []))
    if as_json:
        assert finished.code == 2
        assert finished.error["hint"] == "see `pocketbert --help`"
        assert finished.stderr == ""
    else:
        refused(finished)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/absent/model"], "no folder /absent/model"),
        (["{squad}"], "is a file, not a model"),
        (["{tmp}"], "no config.json in"),
        (["x" * 5000], "no folder x"),
        (["{student}", "--backend", "onnx"], "no backend 'onnx' (choose from executorch, tflite"),
        (["{student}", "--precision", "int2"], "no precision 'int2' (choose from fp32, fp16, int8"),
        (["{student}", "--precision", "auto"], "--precision auto needs a budget (add"),
        (["{student}", "--precision", "int4", "--group-size", "48"], "no group size 48 (choose"),
        (["{student}", "--group-size", "64"], "--group-size goes with --precision int4, not int8"),
        (["{student}", "--recipe", "/absent.json"], "no recipe /absent.json"),
        (["{student}", "--recipe", "{squad}"], "is no recipe: precision: Field required"),
        (["{student}", "--recipe", "{squad}", "--precision", "int4"], "--recipe says the"),
        (["{student}", "--max-size-mb", "-1"], "Invalid value for '--max-size-mb'"),
        (["{student}", "--activations", "wild"], "no activations 'wild' (choose from dynamic"),
        (["{student}", "--activations", "static", "--precision", "int4"], "with int8, not int4"),
        (["{student}", "--activations", "static", "--recipe", "{squad}"],
         "--recipe says the precision, the group size and the activations itself"),
        (["{student}", "--compute-units", "npu"], "no compute units 'npu' (choose from all,"),
        (["{student}", "--compute-units", "all"], "--compute-units all is for coreml, not for"),
        (["{student}", "--seq-len", "long"], "--seq-len long is not a list of numbers"),
        (["{student}", "--seq-len", ""], "--seq-len  is not a list of numbers"),
        (["{student}", "--seq-len", "64,,128"], "--seq-len 64,,128 is not a list of numbers"),
        (["{student}", "--seq-len", "4"], "sequence length 4 is outside"),
        (["{student}", "--seq-len", "64,513"], "(choose lengths from 8 to 512"),
        (["{student}", "--data", "/absent.json"], "no file /absent.json"),
        (["{student}", "--data", "{student}"], "is a folder"),
        (["{student}", "--data", "{student}/config.json"], "is not in SQuAD layout"),
        (["{student}", "--data", "{squad}/deeper"], "no such path"),
        (["{student}", "--trim-vocab", "/absent.txt"], "no corpus /absent.txt"),
        (["{student}", "--trim-vocab", "{student}"], "no corpus {student}"),
        (["{student}", "--trim-vocab", "{squad}/deeper"], "no such path"),
        (["{student}", "--trim-vocab", "{student}/model.safetensors"], "holds NUL"),
        (["{student}", "--trim-vocab", "{student}/config.json"], "is not in SQuAD layout"),
        (["{student}", "--trim-vocab", "/dev/null"], "holds no word"),
        (["{student}", "-o", "{student}"], "exists and is not a bundle, so it is not overwritten"),
        (["{student}", "-o", "{squad}"], "exists and is not a bundle, so it is not overwritten"),
        (["{student}", "-o", "{squad}/deeper/still"], "is not a folder"),
        (["{student}", "-o", "{tmp}/" + "x" * 300], "File name too long"),
    ],
)  # fmt: skip
def test_build_bad_input_is_refused_and_writes_nothing(
    call, student_folder, squad_file, tmp_path, arguments, message
):
    places = {"student": student_folder, "squad": squad_file, "tmp": tmp_path}
    filled = [argument.format(**places) for argument in arguments]
    if "-o" not in filled:
        filled += ["-o", str(tmp_path / "bundle")]
    before = sorted(student_folder.iterdir())
    told = refused(call("build", *filled, "--backend", "tflite"))
    assert message.format(**places) in told
    assert list(tmp_path.iterdir()) == []
    assert sorted(student_folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either -c TEXT or --context-file FILE"),
        (["-c", "x", "--context-file", "{squad}"], "give either -c TEXT or --context-file FILE"),
        (["-c", ""], "the context is empty"),
        (["-c", " \n"], "the context is empty"),
        (["-q", "", "-c", "The road."], "the question is empty"),
        (["-c", "дорога была закрыта"], "are not in the student's vocabulary"),
        (["-c", "half \ud83d of a pair"], "is not valid Unicode"),
        (["--context-file", "/absent.txt"], "no file /absent.txt"),
        (["--context-file", "{tmp}"], "no file {tmp}"),
        (["--context-file", "{squad}/deeper"], "no such path"),
        (["--context-file", "{tmp}/utf16"], "is not UTF-8"),
        (["--context-file", "{tmp}/empty"], "the context is empty"),
        (["--context-file", "{tmp}/million"], "has 1,000,000 characters; at most 200,000"),
        (["-c", "The road.", "--runtime", "onnx"], "no runtime 'onnx' (choose from pytorch, exec"),
        (["-c", "The road.", "--reference", "/absent"], "no folder /absent"),
    ],
)  # fmt: skip
def test_ask_bad_input_is_refused(call, built, squad_file, tmp_path, arguments, message):
    (tmp_path / "utf16").write_bytes("The road.".encode("utf-16"))
    (tmp_path / "empty").touch()
    (tmp_path / "million").write_text("The road. " * 100_000)
    places = {"squad": squad_file, "tmp": tmp_path}
    filled = [argument.format(**places) for argument in arguments]
    if "-q" not in filled:
        filled += ["-q", QUESTION]
    told = refused(call("ask", built.folder, *filled))
    assert message.format(**places) in told


@pytest.mark.parametrize("command", ["ask", "parity", "eval", "inspect", "verify"])
@pytest.mark.parametrize("target", ["/absent/bundle", "{squad}", "{tmp}"])
def test_what_is_no_bundle_is_refused(call, squad_file, tmp_path, command, target):
    extra = {
        "ask": ["-q", QUESTION, "-c", CONTEXT],
        "eval": ["--data", str(squad_file)],
    }.get(command, [])
    path = target.format(squad=squad_file, tmp=tmp_path)
    told = refused(call(command, path, *extra))
    assert path in told


def test_damaged_manifest_is_a_failed_check(call, bundle_copy):
    path = bundle_copy / "manifest.json"
    path.write_text(path.read_text().replace("tflite/model.tflite", "tflite/other.tflite"))
    told = refused(call("ask", bundle_copy, "-q", QUESTION, "-c", CONTEXT), code=1)
    assert "was changed after it was written" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["parity", "{bundle}", "--runtime", "pytorch"], "is what every other runtime is compared"),
        (["parity", "{bundle}", "--runtime", "litert", "--runtime", "pytorch"], "is what every ot"),
        (["parity", "x.mlpackage", "--runtime", "pytorch"], "is what every other runtime is comp"),
        (["verify", "{bundle}", "--vectors", "--runtime", "pytorch"], "is what every other runti"),
        (["bench", "{bundle}", "--seq-len", "7777"],
         "the bundle has no length 7777 (choose from 32, 64, or leave out --seq-len)"),
        (["bench", "{bundle}", "--seq-len", "64,7777"], "the bundle has no length 7777"),
        (["bench", "{bundle}", "--runtime", "litert", "--reference", "{student}"],
         "names the PyTorch student, and only litert is to run (add --runtime pytorch, or"),
        (["bench", "--reference", "{student}"], "--reference goes with a bundle"),
        (["ask", "{bundle}", "-q", "x", "-c", "x", "--runtime", "litert", "--reference", "x"],
         "names the PyTorch student, and only litert is to run"),
        (["eval", "{student}", "--data", "{squad}", "--reference", "{student}"],
         "is a model, and --reference names the student of a bundle (leave out --reference)"),
        (["eval", "{bundle}", "--data", "{squad}", "--runtime", "litert", "--reference", "x"],
         "names the PyTorch student, and only litert is to run"),
        (["build", "{student}", "--precision", "fp16", "--activations", "dynamic"],
         "--activations is for integers, and fp16 has none (leave it out)"),
    ],
)  # fmt: skip
def test_option_that_would_have_no_effect_is_refused(
    call, built, student_folder, squad_file, arguments, message
):
    places = {"bundle": built.folder, "student": student_folder, "squad": squad_file}
    told = refused(call(*(argument.format(**places) for argument in arguments)))
    assert message in told


def test_eval_model_with_an_artifacts_runtime_is_refused(call, student_folder, squad_file):
    arguments = ["eval", student_folder, "--data", squad_file, "--runtime", "litert"]
    assert "is a model, and litert runs artifacts" in refused(call(*arguments))


def test_ask_artifact_that_cannot_be_loaded_fails_and_the_others_answer(call, bundle_copy):
    (bundle_copy / "tflite" / "model.tflite").write_bytes(b"no flatbuffer")
    finished = asked(call, bundle_copy, "-c", CONTEXT, "--json")
    assert finished.code == 1
    assert [answer["runtime"] for answer in finished.json["answers"]] == ["pytorch"]
    (skipped,) = finished.json["skipped"]
    assert skipped["runtime"] == "litert"
    assert skipped["reason"].startswith("failed: tflite/model.tflite of the bundle is not what")


# The student of a bundle


def test_reference_that_is_another_student_is_refused(call, built, tmp_path, tokenizer):
    other = save_student("distilbert", tmp_path / "other", tokenizer=tokenizer, seed=1)
    told = refused(call("parity", built.folder, "--reference", other))
    assert f"{other} is not the student that this bundle was made from" in told


def test_reference_by_name_is_found(call, built, student_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    named = ["--reference", student_folder, "--runtime", "litert", "--limit", "1", "--json"]
    assert call("parity", built.folder, *named).code == 0


def test_reference_that_is_not_found_skips_pytorch_and_ends_parity(
    call, built, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    finished = asked(call, built.folder, "-c", CONTEXT, "--json")
    assert finished.code == 0
    assert [answer["runtime"] for answer in finished.json["answers"]] == ["litert"]
    (skipped,) = finished.json["skipped"]
    assert skipped["runtime"] == "pytorch"
    assert "--reference MODEL" in skipped["reason"]
    told = refused(call("parity", built.folder))
    assert "was not found" in told
    assert "--reference MODEL" in told


@pytest.mark.parametrize(
    ("command", "runtime", "reason"),
    [
        *(
            (command, "executorch", "executorch: the bundle has no executorch artifact")
            for command in ("ask", "parity", "eval")
        ),
        ("ask", "pytorch", "was not found: it was not built on this machine"),
        ("eval", "pytorch", "was not found: it was not built on this machine"),
    ],
)
def test_nothing_that_could_run_is_no_success(
    call, built, squad_file, tmp_path, monkeypatch, command, runtime, reason
):
    if runtime == "pytorch":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    extra = {"ask": ["-q", QUESTION, "-c", CONTEXT], "eval": ["--data", squad_file]}
    told = refused(call(command, built.folder, *extra.get(command, []), "--runtime", runtime))
    assert reason in told


def test_ask_answers_that_are_not_finite_have_a_null_score(call, bundle_copy, student_copy):
    path = student_copy / "model.safetensors"
    weights = load_file(path)
    # Finite weights whose products are not.
    weights["distilbert.transformer.layer.0.ffn.lin1.weight"] *= torch.tensor(3e37)
    save_file(weights, path, {"format": "pt"})
    manifest = read_manifest(bundle_copy)
    student = manifest.student.model_copy(
        update={"weights_sha256": load(str(student_copy)).weights_sha256}
    )
    write_manifest(manifest.model_copy(update={"student": student}), bundle_copy)
    finished = call(
        "ask", bundle_copy, "-q", QUESTION, "-c", CONTEXT, "--runtime", "pytorch",
        "--reference", student_copy, "--json",
    )  # fmt: skip
    assert finished.code == 0, finished
    (answer,) = finished.json["answers"]
    assert answer["score"] is None


def test_build_static_for_core_ml_alone_is_refused(call, student_folder, tmp_path):
    folder = tmp_path / "bundle"
    arguments = ("--backend", "coreml", "--activations", "static")
    told = refused(call("build", student_folder, "-o", folder, *arguments))
    assert "coreml computes in floats, so it has no static activations (add a backend:" in told
    assert not folder.exists()


def test_build_static_says_so_in_the_bundle_and_of_core_ml_that_it_is_not(
    call, student_folder, squad_file, tmp_path
):
    folder = tmp_path / "bundle"
    finished = call(
        "build", student_folder, "-o", folder, "--backend", "tflite", "--backend", "coreml",
        "--activations", "static", "--seq-len", "32", "--data", squad_file, "--json",
    )  # fmt: skip
    # A student of random weights need not keep to the gates of trained ones.
    assert finished.code in (0, 1), finished
    assert finished.json["remarks"] == [
        "coreml computes in floats: --activations static is for executorch, tflite"
    ]
    assert read_recipe(folder / "recipe.json").activations == "static"
    assert problems_of(folder) == ()
    manifest = read_manifest(folder)
    kinds = {part.backend: part.activations for part in manifest.artifacts}
    assert kinds == {"tflite": "static", "coreml": "dynamic"}
    assert set(manifest.thresholds) == {"int8", "int8 static"}
    gates = {
        (each["backend"], gate["name"]): gate["threshold"]
        for each in finished.json["parity"]
        for gate in each["gates"]
    }
    assert gates["tflite", "answer_agreement"] < gates["coreml", "answer_agreement"]


def test_build_for_the_neural_engine_records_it_for_the_app(
    call, student_folder, squad_file, tmp_path
):
    folder = tmp_path / "bundle"
    finished = call(
        "build", student_folder, "-o", folder, "--backend", "tflite", "--backend", "coreml",
        "--compute-units", "cpu-and-ne", "--precision", "fp32", "--seq-len", "32",
        "--data", squad_file, "--json",
    )  # fmt: skip
    assert finished.code == 0, finished
    units = {part.backend: part.compute_units for part in read_manifest(folder).artifacts}
    assert units == {"tflite": None, "coreml": "cpu-and-ne"}
    with open_bundle(folder) as opened:
        assert {each.backend: each.compute_units for each in opened.artifacts} == units


# What the machine does


def start_build(student: Path, destination: Path, temporary: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "build", str(student), "-o", str(destination), "--backend", "tflite",
         "--precision", "fp32", "--seq-len", "32", "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminate"])
def test_build_interrupted_leaves_the_earlier_bundle_and_nothing_else(
    student_folder, bundle_copy, tmp_path, sent
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with start_build(student_folder, bundle_copy, temporary) as process:
        assert process.stderr is not None
        while not (line := process.stderr.readline()).startswith("quantize"):
            assert line, "the build ended before it was quantized"
        time.sleep(1)  # now a worker converts
        if sent == signal.SIGINT:
            os.killpg(process.pid, sent)  # as a terminal does
        else:
            process.send_signal(sent)
        begin = time.monotonic()
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - begin < 20
    assert process.returncode == 130
    assert out == ""
    assert err == "pocketbert: interrupted (what was there before is as it was)\n"
    assert problems_of(bundle_copy) == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "temporary"]
    assert list(temporary.iterdir()) == []


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts small disks in memory; only root may, and not in every container."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    if shutil.which("mount") is None:
        pytest.skip("there is no `mount` here")
    yield make
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


def build_on(call: Call, student: Path, data: Path, destination: Path) -> Finished:
    return call(
        "build", student, "-o", destination, "--backend", "tflite", "--precision", "fp32",
        "--seq-len", "32", "--data", data, "--no-cache",
    )  # fmt: skip


def test_build_into_a_read_only_folder_ends_with_four(call, student_folder, squad_file, mount):
    told = refused(build_on(call, student_folder, squad_file, mount("ro") / "bundle"), code=4)
    assert "Read-only file system" in told


def test_build_onto_a_disk_with_no_room_ends_with_four_at_once(
    call, student_folder, squad_file, mount
):
    disk = mount("size=64k")
    finished = build_on(call, student_folder, squad_file, disk / "bundle")
    assert "MB free" in refused(finished, code=4)
    assert "trace" not in finished.stderr
    assert list(disk.iterdir()) == []


def test_build_disk_that_fills_up_ends_with_four_and_leaves_nothing(
    call, student_folder, squad_file, mount
):
    disk = mount("nr_inodes=3")  # itself and two folders: no artifact can be written any more
    finished = build_on(call, student_folder, squad_file, disk / "bundle")
    assert "No space left on device" in refused(finished, code=4)
    assert "convert tflite             failed" in finished.stderr
    assert list(disk.iterdir()) == []


def test_build_temporary_folder_that_fills_up_ends_with_four(
    student_folder, squad_file, mount, tmp_path
):
    disk = mount("nr_inodes=2")
    finished = pocketbert(
        "build", student_folder, "-o", tmp_path / "bundle", "--backend", "tflite",
        "--precision", "fp32", "--seq-len", "32", "--data", squad_file, "--no-cache",
        env={"TMPDIR": str(disk)},
    )  # fmt: skip
    refused(finished, code=4)
    assert list(disk.iterdir()) == []
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    "num_files", [2, 3, 4], ids=["tokenizer.json", "vocab.txt", "unicode.json"]
)
def test_storage_error_of_a_tokenizer_that_cannot_be_written(tokenizer, mount, num_files):
    """The first of its three files is written by a library that has its own errors."""
    disk = mount(f"nr_inodes={num_files}")
    with pytest.raises(Exception, match="No space left on device") as caught:
        write_tokenizer(tokenizer, disk / "tokenizer")
    error = storage_error(caught.value)
    assert error is not None
    assert error.exit_code == 4


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_results_onto_a_full_disk_end_with_four(tmp_path, as_json):
    folder = write_bundle(tmp_path / "bundle")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "verify", str(folder), *["--json"] * as_json],
            cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr.startswith("pocketbert: cannot read or write: No space left on device (")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("damage", "code"), [(False, 0), (True, 1)])
def test_results_that_nobody_reads_are_no_error(tmp_path, damage, code):
    folder = write_bundle(tmp_path / "bundle")
    if damage:
        (folder / "added").touch()
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [*COMMAND, "verify", str(folder)],
        cwd=ROOT, stdout=write_end, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(write_end)
    assert (done.returncode, done.stderr) == (code, "")


# What is not installed

BLOCKER = """
import os
from importlib.machinery import PathFinder

find = PathFinder.find_spec


def find_spec(name, path=None, target=None):
    if name.partition(".")[0] in os.environ["BLOCKED"].split():
        return None
    return find(name, path, target)


PathFinder.find_spec = staticmethod(find_spec)
"""


@pytest.fixture
def without(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Returns the environment of an interpreter that does not find some packages."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)

    def environment(*packages: str) -> dict[str, str]:
        return {"PYTHONPATH": str(tmp_path), "BLOCKED": " ".join(packages)}

    return environment


@pytest.mark.parametrize(
    ("arguments", "packages", "message"),
    [
        (["--backend", "tflite"], ["litert_torch"],
         "the tflite backend needs litert_torch (pip install 'pocketbert[tflite]')"),
        (["--backend", "tflite", "--backend", "executorch"], ["torchao", "executorch"],
         "the executorch backend needs executorch, torchao "
         "(pip install 'pocketbert[executorch]')"),
        ([], ["litert_torch", "coremltools", "torchao"],
         "no backend is installed (pip install 'pocketbert[all]')"),
    ],
)  # fmt: skip
def test_build_without_a_package_ends_with_three_and_the_line_that_installs_it(
    student_folder, tmp_path, without, arguments, packages, message
):
    destination = tmp_path / "bundle"
    finished = pocketbert(
        "build", student_folder, "-o", destination, *arguments, env=without(*packages)
    )
    assert refused(finished, code=3) == f"pocketbert: {message}"
    assert not destination.exists()


def test_ask_and_inspect_without_a_package(built, without):
    environment = without("ai_edge_litert", "tensorflow")
    finished = pocketbert("inspect", built.folder, "--json", env=environment)
    assert finished.code == 3
    assert finished.error["hint"] == "pip install 'pocketbert[tflite]'"
    asking = ("ask", built.folder, "-q", QUESTION, "-c", CONTEXT)
    finished = pocketbert(*asking, "--runtime", "litert", env=environment)
    assert "nothing could run: litert: ai_edge_litert is not installed" in refused(finished, code=3)
    finished = pocketbert(*asking, "--json", env=environment)
    assert finished.code == 0
    assert [answer["runtime"] for answer in finished.json["answers"]] == ["pytorch"]
    reasons = {each["runtime"]: each["reason"] for each in finished.json["skipped"]}
    assert reasons == {
        "litert": "ai_edge_litert is not installed: pip install 'pocketbert[tflite]'",
        "tensorflow": "tensorflow is not installed: pip install 'pocketbert[tensorflow]'",
    }


def test_doctor_without_packages_says_what_installs_them(without):
    environment = without("litert_torch", "coremltools", "torchao", "executorch")
    finished = pocketbert("doctor", "--json", env=environment)
    assert finished.code == 3
    found = {(each["kind"], each["name"]): each for each in finished.json["findings"]}
    for name in ("tflite", "coreml", "executorch"):
        assert found["backend", name]["ok"] is False
        assert found["backend", name]["hint"] == f"pip install 'pocketbert[{name}]'"
    assert found["runtime", "executorch"]["hint"] == "pip install 'pocketbert[executorch]'"


def test_build_auto_finds_a_recipe_that_another_build_repeats(
    call, student_folder, squad_file, tmp_path
):
    shared = (student_folder, "--backend", "tflite", "--seq-len", "64", "--data", squad_file)
    first, second = tmp_path / "first", tmp_path / "second"
    found = call(
        "build", *shared, "-o", first, "--precision", "auto", "--max-size-mb", "0.48", "--json"
    ).json
    (artifact,) = found["artifacts"]
    assert artifact["precision"] == "auto"
    assert artifact["size_bytes"] <= 480_000
    (chosen,) = (step for step in found["steps"] if step["is_chosen"])
    recipe = json.loads((first / "recipe.json").read_text())
    assert chosen["recipe"] == recipe
    assert {"int8", "int4/32"} & set(recipe["groups"].values())
    assert (first / "frontier.svg").read_text().startswith("<svg")
    assert problems_of(first) == ()

    call("build", *shared, "-o", second, "--recipe", first / "recipe.json", "--no-cache")
    for name in ("tflite/model.tflite", "recipe.json", "parity.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (["--max-size-mb", "0.1"], "pocketbert: --max-size-mb 0.1 is out of reach by"),
        (["--precision", "auto", "--max-size-mb", "0.1"], "--max-size-mb 0.1 is out of reach by"),
    ],
)
def test_build_that_breaks_a_budget_leaves_the_earlier_bundle(
    call, student_folder, squad_file, bundle_copy, budget, message
):
    before = {path: path.stat().st_mtime_ns for path in bundle_copy.rglob("*")}
    finished = call(
        "build", student_folder, "-o", bundle_copy, "--backend", "tflite", "--seq-len", "64",
        "--data", squad_file, *budget,
    )  # fmt: skip
    assert finished.code == 1
    assert message in finished.stderr.splitlines()[-1]
    assert {path: path.stat().st_mtime_ns for path in bundle_copy.rglob("*")} == before
