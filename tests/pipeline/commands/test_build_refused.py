"""Builds that cannot begin, or cannot go on, and what they leave behind."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from converters.values.errors import storage_error
from pipeline.tokenizer.tokenization import write_tokenizer
from tests.bundles import problems_of
from tests.command import COMMAND, ROOT, Finished, pocketbert
from tests.pipeline.commands.calls import Call, refused


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
        (["{student}", "--max-score-drop", "1", "--max-f1-drop", "2"],
         "--max-score-drop 1 and --max-f1-drop 2 are two names of one limit (leave out --max-f1-"),
        (["{student}", "--recipe", "{squad}", "--group-size", "0"], "--recipe says the"),
        (["{student}", "--precision", ""], "no precision '' (choose from fp32, fp16, int8"),
        (["{student}", "--activations", ""], "no activations '' (choose from dynamic, static"),
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


def test_build_static_for_core_ml_alone_is_refused(call, student_folder, tmp_path):
    folder = tmp_path / "bundle"
    arguments = ("--backend", "coreml", "--activations", "static")
    told = refused(call("build", student_folder, "-o", folder, *arguments))
    assert "coreml computes in floats, so it has no static activations (add a backend:" in told
    assert not folder.exists()


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
