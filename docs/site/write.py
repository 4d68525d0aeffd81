"""Writes the pages, and parts of pages, that are made from the code: ``python docs/site/write.py``.

A test fails where they are not as this would write them.
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer

from pipeline.commands.app import app

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs"

STABLE = (
    "pipeline.build.build",
    "pipeline.conversion.recipe.recipe_of",
    "pipeline.conversion.recipe.read_recipe",
    "pipeline.bundle.open.open_bundle",
    "pipeline.bundle.open.verify",
    "pipeline.ask.ask",
    "pipeline.parity.check_bundle",
    "pipeline.evaluate.evaluate",
    "pipeline.inspection.inspect",
    "pipeline.student.load.load",
    "pipeline.running.run.Run",
    "converters.coreml_evaluator.evaluator.CoreMLReference",
)
"""What callers from Python may rely on."""

INTRODUCTION = Path(__file__).with_name("commands.md")


def pages() -> dict[Path, str]:
    """Returns what each page that is made, whole or in part, is to hold."""
    parts = {"architecture.md": ("rooms", rooms()), "python.md": ("functions", functions())}
    made = {PAGES / "commands.md": commands()}
    for name, (part, content) in parts.items():
        made[PAGES / name] = _with_part(PAGES / name, part, content)
    return made


def commands() -> str:
    """Returns the page of all commands, in the order of their names."""
    group: Any = typer.main.get_command(app)
    return INTRODUCTION.read_text(encoding="utf-8") + "".join(
        f"\n## {name}\n\n{_command(name, command)}"
        for name, command in sorted(group.commands.items())
    )


def functions() -> str:
    """Returns a list of the functions that stay: how each is called, and what the caller gets."""
    return "\n".join(f"- `{call(name)}`: {_first_line(_named(name))}" for name in STABLE)


def call(name: str) -> str:
    """Returns how a function is called: its parameters by name, with short defaults."""
    parts, is_keyword = [], False
    for parameter in inspect.signature(_named(name)).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            is_keyword = True
            parts.append("*")
        parts.append(parameter.name + _default(parameter.default))
    return f"{name}({', '.join(parts)})"


def rooms() -> str:
    """Returns a table of all rooms of both packages, each with the first line of its docstring."""
    rows = ["| room | what stands there |", "|---|---|"]
    for package in ("pipeline", "converters"):
        for path in sorted((ROOT / package).glob("*/__init__.py")):
            line = (inspect.cleandoc(_docstring(path)) or " ").splitlines()[0]
            rows.append(f"| `{package}/{path.parent.name}/` | {line.replace('``', '`')} |")
    return "\n".join(rows)


def _named(name: str) -> Any:
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)


def _first_line(value: Any) -> str:
    return (inspect.getdoc(value) or " ").splitlines()[0].replace("``", "`")


def _command(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [
        each for each in command.params if each.param_type_name == "option" and not each.hidden
    ]
    usage = " ".join(["pocketbert", name, *map(_argument, arguments), "[OPTIONS]"])
    rows = [f"| `{_argument(each)}` | {_cell(each.help)} |" for each in arguments]
    rows += [f"| {_option(each)} | {_cell(each.help)}{_shown_default(each)} |" for each in options]
    return "\n".join([f"`{usage}`", "", _prose(command.help), "", "| | |", "|---|---|", *rows, ""])


def _prose(text: str) -> str:
    return inspect.cleandoc(text).replace("[CLS]", "`[CLS]`")


def _argument(argument: Any) -> str:
    shown = str(argument.metavar or argument.name.upper())
    return shown if argument.required or shown.startswith("[") else f"[{shown}]"


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    annotation = option.type_descriptor.annotation
    return f"{names} {option.metavar or _kind(annotation)}"


def _kind(annotation: Any) -> str:
    names = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}
    if annotation in names:
        return names[annotation]
    parts = get_args(annotation)
    return _kind(parts[0]) if parts[0] in names else "\\|".join(map(str, parts))


def _shown_default(option: Any) -> str:
    if option.is_flag or option.default in (None, (), []):
        return " **Required.**" if option.required else ""
    return f" Default: `{option.default}`."


def _cell(text: str | None) -> str:
    return " ".join((text or "").replace("|", "\\|").split())


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return ""
    is_short = value is None or isinstance(value, bool | int | float | str) or value == ()
    return f"={value!r}" if is_short else "=…"


def _docstring(path: Path) -> str:
    found = re.match(r'"""(.*?)"""', path.read_text(encoding="utf-8"), re.DOTALL)
    return found[1] if found else ""


def _with_part(page: Path, part: str, content: str) -> str:
    begin, end = f"<!-- made by docs/site/write.py: {part} -->", "<!-- end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content}\n{end}{after}"


def stale() -> Iterator[Path]:
    """Yields the pages that are not as they would be written."""
    for path, content in pages().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            yield path


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")
