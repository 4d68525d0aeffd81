"""The command ``ask`` as a person and a script meet it."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.bundle.manifest import read_manifest, write_manifest
from pipeline.student.load import load
from tests.command import pocketbert
from tests.pipeline.commands.calls import CONTEXT, QUESTION, asked, refused
from tests.pipeline.test_evaluate import prefers_none


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


def test_damaged_manifest_is_a_failed_check(call, bundle_copy):
    path = bundle_copy / "manifest.json"
    path.write_text(path.read_text().replace("tflite/model.tflite", "tflite/other.tflite"))
    told = refused(call("ask", bundle_copy, "-q", QUESTION, "-c", CONTEXT), code=1)
    assert "was changed after it was written" in told


def test_ask_artifact_that_cannot_be_loaded_fails_and_the_others_answer(call, bundle_copy):
    (bundle_copy / "tflite" / "model.tflite").write_bytes(b"no flatbuffer")
    finished = asked(call, bundle_copy, "-c", CONTEXT, "--json")
    assert finished.code == 1
    assert [answer["runtime"] for answer in finished.json["answers"]] == ["pytorch"]
    (skipped,) = finished.json["skipped"]
    assert skipped["runtime"] == "litert"
    assert skipped["reason"].startswith("failed: tflite/model.tflite of the bundle is not what")


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
