"""The command ``tokenize``: what a student, or an app with its bundle, makes of a text."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.commands.console import AsJson, read_lines, show, show_json

if TYPE_CHECKING:
    from pipeline.on_device.wordpiece import Tokens

    Tokenize = Callable[[str], Tokens]


def tokenize(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="(MODEL|BUNDLE)", help="Whose tokenizer. The embedded student's otherwise."
        ),
    ] = None,
    utf16: Annotated[
        bool,
        typer.Option("--utf16", help="Offsets in UTF-16 units instead of Unicode code points."),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Reads UTF-8 texts from stdin, a line each, and prints a JSON line each.

    It holds tokens, ids, and offsets into the text, without special tokens around it. A model is
    read by the tokenizers library, a bundle by the rules that an app follows. Only a newline ends a
    text; a carriage return before it is white space, and changes nothing.
    """
    run = _open(target)
    described = (_describe(run(text), text, utf16=utf16) for text in read_lines(sys.stdin.buffer))
    if as_json:
        show({"texts": list(described)}, as_json)
        return 0
    for each in described:
        show_json(each)
    return 0


def _open(target: str | None) -> "Tokenize":
    from pipeline.bundle.manifest import FILE_NAME

    path = Path(target or "")
    if target is not None and (path.is_file() or (path / FILE_NAME).is_file()):
        from pipeline.bundle.open import open_bundle
        from pipeline.on_device.wordpiece import open_tokenizer

        with open_bundle(path) as opened:
            return open_tokenizer(opened.folder, opened.manifest.tokenizer).tokenize
    return _open_model(target)


def _open_model(model: str | None) -> "Tokenize":
    from pipeline.on_device.wordpiece import Tokens
    from pipeline.student.locate import find_model
    from pipeline.student.tokenizer_folder import read_tokenizer

    _, folder = find_model(model, only_tokenizer=True)
    tokenizer = read_tokenizer(folder)

    def run(text: str) -> Tokens:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        return Tokens(
            tokens=tuple(encoding.tokens),
            ids=tuple(encoding.ids),
            offsets=tuple(encoding.offsets),
        )

    return run


def _describe(tokens: "Tokens", text: str, *, utf16: bool) -> dict[str, Any]:
    from pipeline.on_device.wordpiece import utf16_offsets

    offsets = utf16_offsets(text, tokens.offsets) if utf16 else tokens.offsets
    return {"tokens": tokens.tokens, "ids": tokens.ids, "offsets": offsets}
