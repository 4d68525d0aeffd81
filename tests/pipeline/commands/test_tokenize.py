import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.on_device.wordpiece import utf16_offsets
from pipeline.tokenizer.tokenization import tokenizer_part, write_tokenizer, write_vocabulary
from tests.bundles import MANIFEST, write_bundle
from tests.command import COMMAND, ROOT
from tests.students import read_tokenizer

TEXTS = ("The café's tea costs 3 €.", "", "a[SEP]b 🍵 c\u0301", "x\r")
LINES = "\n".join(TEXTS).encode()


def run(*arguments: object, given: bytes = LINES) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, "tokenize", *map(str, arguments)],
        cwd=ROOT, input=given, capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def expected(text: str, *, utf16: bool = False) -> dict[str, object]:
    made = read_tokenizer().encode(text, add_special_tokens=False)
    offsets = utf16_offsets(text, made.offsets) if utf16 else made.offsets
    return {"tokens": made.tokens, "ids": made.ids, "offsets": [list(each) for each in offsets]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of which there is nothing but the tokenizer."""
    folder = tmp_path_factory.mktemp("model")
    write_vocabulary(read_tokenizer(), folder)
    return folder


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of which nothing is real but the tokenizer and the manifest."""
    folder = tmp_path_factory.mktemp("bundle")
    write_tokenizer(read_tokenizer(), folder / "tokenizer")
    manifest = MANIFEST.model_copy(update={"tokenizer": tokenizer_part(read_tokenizer())})
    return write_bundle(folder, files={"tflite/model.tflite": b"no model"}, manifest=manifest)


@pytest.mark.parametrize("options", [(), ("--utf16",), ("--json",)])
@pytest.mark.parametrize("kind", ["model", "packed"])
def test_tokenize_gives_what_the_library_gives(request, kind, options):
    done = run(request.getfixturevalue(kind), *options)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    made = lines[0]["texts"] if "--json" in options else lines
    assert made == [expected(text, utf16="--utf16" in options) for text in TEXTS]


def test_tokenize_of_a_bundle_imports_neither_torch_nor_transformers(packed):
    script = (
        "import sys; from pipeline.commands.app import run; code = run(sys.argv[1:]); "
        "sys.exit(code or ' '.join({'torch', 'transformers'} & sys.modules.keys()) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "tokenize", str(packed)],
        cwd=ROOT, input=LINES, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_tokenize_names_the_line_that_is_not_utf8(model, options):
    done = run(model, *options, given=b"a\nb\xff\nc\n")
    assert done.returncode == 2
    told = done.stdout + done.stderr
    assert b"line 2 is not UTF-8: invalid start byte at byte 1" in told


def test_tokenize_ends_a_text_at_newlines_alone(model):
    done = run(model, "--json", given="a\u2028b\x0bc\x85d\re\r\nf\n".encode())
    assert len(json.loads(done.stdout)["texts"]) == 2


def test_tokenize_without_texts_prints_nothing(model):
    done = run(model, given=b"")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_tokenize_refuses_a_bundle_with_a_damaged_table(packed, tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_tokenizer(read_tokenizer(), folder / "tokenizer")
    (folder / "manifest.json").write_bytes((packed / "manifest.json").read_bytes())
    (folder / "tokenizer" / "unicode.json").write_bytes(b"{}")
    done = run(folder)
    assert done.returncode == 1
    assert b"unicode.json of the bundle is not what its manifest states: changed" in done.stderr


def test_tokenize_refuses_what_is_neither_model_nor_bundle(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2
    assert b"no tokenizer in" in done.stderr
