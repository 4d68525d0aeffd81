"""What others write never moves the cursor, starts a line or turns the order of the letters."""

import io
import json
import logging
import os
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path

import pytest
from rich.markup import escape

from pipeline.report import tables
from pipeline.running import progress
from pipeline.running.terminal import Terminal, lines, one_line, warnings_in_plain_text
from tests.bundles import MANIFEST, write_bundle
from tests.command import COMMAND, ROOT, pocketbert

FORGED = (
    "\x1b[2K\r\x1b[32mPASS\x1b[0m every file\x9b1A\x07\x08\x7f\u202eSSAP\u2066\n\u2028\u0085PASS"
)
OBEYED = [
    chr(point)
    for point in range(sys.maxunicode + 1)
    if unicodedata.category(chr(point)) in ("Cc", "Zl", "Zp")
    or unicodedata.bidirectional(chr(point))
    in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
]
FREE = "\t"
"""It moves within its line only."""


def assert_harmless(shown: str, *, newlines: int | None = None) -> None:
    """Fails where a text holds what a terminal obeys beyond its own newlines."""
    assert not {each for each in shown if each in OBEYED} - {"\n", FREE}, repr(shown)
    if newlines is not None:
        assert shown.count("\n") == newlines


def test_every_character_that_a_terminal_obeys_is_escaped_and_all_others_stay():
    for point in range(sys.maxunicode + 1):
        letter = chr(point)
        is_obeyed = letter in OBEYED and letter != FREE
        assert (one_line(letter) != letter) == is_obeyed
        assert (lines(letter) != letter) == (is_obeyed and letter != "\n")


def test_escaped_json_means_the_same():
    text = json.dumps({"a": FORGED + "東京 é"}, ensure_ascii=False)
    assert json.loads(one_line(text)) == {"a": FORGED + "東京 é"}
    assert "東京 é" in one_line(text)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_terminal_prints_strings_and_cells_as_one_line_each(is_terminal):
    file = io.StringIO()
    console = Terminal(
        file=file, force_terminal=is_terminal, width=200, color_system=None, highlight=False
    )
    console.print(f"[red]{escape(FORGED)}[/]: changed", soft_wrap=True)
    table = tables.table("name", "value")
    table.add_row(escape(FORGED), "1")
    console.print(table)
    assert_harmless(file.getvalue(), newlines=1 + 5)


def test_stages_and_bars_print_names_harmlessly(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    shown = progress.Progress()
    with shown.stage(FORGED), shown.bars({FORGED: 3}) as update:
        update(FORGED, 1)
    said = capfd.readouterr().err
    assert "[32mPASS" in said
    assert "\x1b[32mPASS" not in said
    assert "\u202e" not in said
    assert "\x9b" not in said


def test_what_libraries_log_and_warn_is_harmless(capfd):
    logger = logging.getLogger("a library")
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    try:
        with warnings_in_plain_text():
            logger.warning("weights of %s\nwere not used", FORGED)
            sys.stderr.write(warnings.formatwarning(FORGED, UserWarning, FORGED, 1, FORGED))
            logger.error("100 %")
    finally:
        logger.removeHandler(handler)
    said = capfd.readouterr().err
    assert_harmless(said)
    assert "were not used" in said
    assert "100 %" in said


def evil_bundle(folder: Path) -> Path:
    """Returns a bundle whose every string is written to take a terminal over."""
    name = FORGED.replace("/", "")
    evil = MANIFEST.model_copy(
        update={
            "student": MANIFEST.student.model_copy(update={"name": FORGED, "architecture": FORGED}),
            "verdicts": tuple(
                each.model_copy(
                    update={"runtime": FORGED, "reason": FORGED + "[green]PASS", "verdict": "fail"}
                )
                for each in MANIFEST.verdicts
            ),
        }
    )
    files = {"tflite/model.tflite": b"x" * 12, f"{name}/a": b"", "tokenizer/vocab.txt": b""}
    write_bundle(folder, files=files, manifest=evil)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "{bundle}"),
        ("verify", "{bundle}", "--json"),
        ("verify", "{bundle}/none/" + FORGED.replace("/", "")),
        ("ask", "{bundle}", "-q", FORGED, "-c", FORGED),
        ("inspect", "{bundle}"),
        ("bundle", "{bundle}", "--platform", "android", "-o", "{bundle}.zip"),
        ("bundle", "{bundle}", "--platform", FORGED, "-o", "{bundle}.zip"),
        ("eval", FORGED, "--data", FORGED),
        ("build", FORGED),
        ("build", "--precision", FORGED),
        ("build", f"--{FORGED}"),
        ("build", "--seq-len", FORGED),
        (FORGED,),
        ("parity", "{bundle}", "--runtime", FORGED, "--json"),
        ("tokenize", FORGED),
    ],
)
def test_no_command_lets_others_write_to_the_terminal(tmp_path, arguments):
    folder = evil_bundle(tmp_path / "bundle")
    if arguments[0] == "verify":
        (folder / FORGED.replace("/", "")).joinpath("added\r\x1b[2KPASS").touch()
    done = pocketbert(
        *(each.format(bundle=folder) if "{" in each else each for each in arguments),
        env={"XDG_CACHE_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
    )
    assert_harmless(done.stdout)
    assert_harmless(done.stderr)
    for line in (*done.stdout.splitlines(), *done.stderr.splitlines()):
        assert not line.startswith("PASS every"), line


def test_tokenize_prints_what_it_reads_harmlessly(student_folder, tmp_path):
    done = subprocess.run(
        [*COMMAND, "tokenize", student_folder], cwd=ROOT, check=True, capture_output=True,
        input=f"a{FORGED}b".encode().replace(b"\n", b" "), env=os.environ,
    )  # fmt: skip
    assert_harmless(done.stdout.decode())
    assert json.loads(done.stdout.splitlines()[0])["tokens"][0] == "a"
