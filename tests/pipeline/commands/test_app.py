"""What all commands have in common: help, wrong calls, what is no bundle, who reads the results."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import __version__
from tests.bundles import write_bundle
from tests.command import COMMAND, ROOT
from tests.pipeline.commands.calls import CONTEXT, QUESTION, refused


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        # The help, and a wrong call, wait for nothing that only a flow needs.
        ("pipeline.commands.app", {"numpy", "pydantic", "torch", "cryptography", "jinja2"}),
        # Each worker process imports these, and most of them run without PyTorch.
        ("pipeline.comparison.runtimes, converters.tflite.runtime", {"torch", "scipy"}),
    ],
)
def test_command_line_imports_nothing_before_a_command_needs_it(modules, heavy):
    heavy = {*heavy, "torch", "transformers", "tensorflow", "coremltools", "scipy"}
    code = f"import sys, {modules}; print({heavy} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["parity", "{bundle}", "--runtime", "pytorch"], "is what every other runtime is compared"),
        (["parity", "{bundle}", "--runtime", "litert", "--runtime", "pytorch"], "is what every ot"),
        (["parity", "x.mlpackage", "--runtime", "pytorch"], "is what every other runtime is comp"),
        (["verify", "{bundle}", "--vectors", "--runtime", "pytorch"], "is what every other runti"),
        (["parity", "{bundle}", "--localize", "--runtime", "task-library"],
         "--localize looks into artifacts, and task-library gives answers alone (leave it out"),
        (["build", "{student}", "--precision", "auto", "--max-score-drop", "inf"],
         "--max-score-drop inf is no limit"),
        (["build", "{student}", "--recipe", "{squad}", "--group-size", "0"], "--recipe says the"),
        (["distill", "--teacher", "{student}", "--data", "{squad}", "-o", "none", "--layer-map",
          ""], "--layer-map  is not a list of numbers"),
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
