"""Every command of README.md and docs/ is run, here or where its page says."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from transformers import BertConfig, BertForMaskedLM, BertForQuestionAnswering, BertModel

from pipeline.commands.app import app
from tests import warm
from tests.command import COMMAND, ROOT, WARM
from tests.conftest import BuiltBundle
from tests.docs.blocks import ALL, PAGES, RUN, Block, blocks
from tests.pipeline.distillation.small_data import qamr_row, write_qamr
from tests.students import NUM_POSITIONS, VOCABULARY_SIZE, read_tokenizer, save_tokenizer

QUESTIONS = ROOT / "pipeline" / "tasks" / "question_answering" / "questions.json"
EMBEDDED = ROOT / "pipeline" / "student" / "embedded"
BLOCKS = [block for page in PAGES for block in blocks(page)]
LONG_PAGES = [page for page in PAGES if any(block.how == "soak" for block in blocks(page))]
SHORT_PAGES = [
    page
    for page in PAGES
    if any(block.language in RUN and block.how == "fast" for block in blocks(page))
]
_SPAN = re.compile(r"`+[^`]+`+")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def ids(block: Block) -> str:
    return block.name


@pytest.mark.parametrize("block", BLOCKS, ids=ids)
def test_block_is_run_or_holds_no_command(block: Block) -> None:
    assert block.language in ALL[1:], "a block names its language"
    if block.language not in RUN:
        assert block.how == "fast", "what is not run needs no comment"
        assert not re.search(r"^(\$ )?(pocketbert|make|pip|python) ", block.text, re.MULTILINE)
    if block.how == "in":
        text = (ROOT / block.place).read_text(encoding="utf-8")
        assert block.why in text, f"{block.place} does not hold {block.why!r}"
    assert block.why or block.how in ("fast", "soak", "dry")


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "sh"], ids=ids)
def test_command_line_takes_what_pages_show(block: Block) -> None:
    for command in block.commands:
        if command[0] == "pocketbert":
            parse(command[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_in_the_text_exist(page: Path) -> None:
    group: Any = typer.main.get_command(app)
    for span in _SPAN.findall(page.read_text(encoding="utf-8")):
        words = span.strip("`").split()
        if words[0] != "pocketbert" or len(words) == 1 or words[1].startswith("-"):
            continue
        assert words[1] in group.commands, span
        known = {name for each in group.commands[words[1]].params for name in each.opts}
        assert set(_OPTION.findall(span)) <= known | {"--help"}, span


@pytest.mark.parametrize("page", SHORT_PAGES, ids=lambda page: page.name)
def test_short_blocks_of_page_run(
    page: Path, built: BuiltBundle, student_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(built.folder, tmp_path / "bundle")
    shutil.copytree(student_folder, tmp_path / "MODEL")
    shutil.copyfile(QUESTIONS, tmp_path / "squad.json")
    for block in blocks(page):
        if block.language in RUN and block.how == "fast":
            execute(block, tmp_path)


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.how == "dry"], ids=ids)
def test_targets_exist(block: Block, tmp_path: Path) -> None:
    for command in block.commands:
        assert command[0] == "make"
        subprocess.run(
            [*command, "--dry-run", f"VENV={tmp_path}/venv"], cwd=ROOT, check=True,
            capture_output=True, timeout=60,
        )  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("page", LONG_PAGES, ids=lambda page: page.name)
def test_page_runs_from_its_first_block_to_its_last(page: Path, tmp_path: Path) -> None:
    furnish(tmp_path)
    for block in blocks(page):
        if block.language in RUN and block.how in ("fast", "soak"):
            execute(block, tmp_path)


def parse(arguments: list[str]) -> None:
    """Lets the command line read arguments, and calls nothing."""
    group: Any = typer.main.get_command(app)
    name, *rest = arguments
    command = group.commands[name]
    command.make_context(name, [word for word in rest if word != "…"])


def execute(block: Block, folder: Path) -> None:
    """Runs a block in a folder, by the Python that runs this."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    is_cold = block.how == "soak" or not warm.is_wanted
    python = [sys.executable, *([] if is_cold else ["-m", "tests.warm", "flows"])]
    begin = "" if is_cold else WARM
    own = ["-m", "pocketbert"] if is_cold else ["-c", begin + COMMAND[-1]]
    write_tool(tools / "python", [sys.executable], "")
    write_tool(tools / "pocketbert", [*python, *own], block.options)
    paths = {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    shell = ["bash", "-euo", "pipefail", "-c", block.text]
    command = shell if block.language == "sh" else [*python, "-c", begin + block.text]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **paths}, stdin=subprocess.DEVNULL,
        capture_output=True, encoding="utf-8", timeout=None if block.how == "soak" else 600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{block.name}\n{done.stdout}\n{done.stderr}"


def write_tool(path: Path, command: list[str], options: str) -> None:
    """Makes a command of a shell, which takes arguments and puts options behind them."""
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@" {options}\n')
    path.chmod(0o755)


REVIEWS = (
    ("bright", "good"), ("dim", "bad"), ("warm", "good"), ("cold", "bad"), ("new", "good"),
    ("old", "bad"),
)  # fmt: skip


def furnish(folder: Path) -> None:
    """Puts into a folder what the pages speak of: a model, teachers and data."""
    shutil.copytree(EMBEDDED, folder / "MODEL")
    shutil.copytree(ROOT / "benchmarks", folder / "benchmarks")
    for name in ("squad.json", "train.json"):
        shutil.copyfile(QUESTIONS, folder / name)
    (folder / "corpus.txt").write_bytes((ROOT / "examples" / "lighthouse.txt").read_bytes())
    (folder / "lines.txt").write_text("The film was long.\nIt just works.\n", encoding="utf-8")
    said = [f"the lamp was {word}\t{label}\n" for word, label in REVIEWS]
    (folder / "reviews.tsv").write_text("text\tlabel\n" + "".join(said), encoding="utf-8")
    (folder / "others.jsonl").write_text('{"text": "the keeper lit it"}\n' * 2, encoding="utf-8")
    write_qamr(
        folder / "qamr",
        {"Wiki1k:wikipedia:1:0:0": "The keeper lit the lamp in 1871 ."},
        [qamr_row("Wiki1k:wikipedia:1:0:0", "When was the lamp lit", "6", "6", "6")],
    )
    shape: dict[str, Any] = {
        "vocab_size": VOCABULARY_SIZE, "hidden_size": 64, "num_hidden_layers": 4,
        "num_attention_heads": 4, "intermediate_size": 128,
        "max_position_embeddings": NUM_POSITIONS,
    }  # fmt: skip
    for name, kind in (
        ("TEACHER", BertForQuestionAnswering), ("LM-TEACHER", BertForMaskedLM),
        ("ENCODER", BertModel),
    ):  # fmt: skip
        kind(BertConfig(**shape)).save_pretrained(folder / name)
        save_tokenizer(read_tokenizer(), folder / name)
