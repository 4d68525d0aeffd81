"""The blocks of code in README.md and docs/, and how each is run.

A block of ``sh`` or ``python`` runs in ``make test``, in a folder that holds a small ``bundle``,
the small student ``MODEL`` and ``squad.json``. A comment on the line before it says otherwise:

- ``<!-- run: soak -->``: it takes long. ``make soak`` runs all of such a page, from its first block
  to its last, in a folder that holds the embedded student as ``MODEL``, teachers and data.
- ``<!-- run: soak with --steps 2 -->``: so, with these options at the end of each command.
- ``<!-- run: dry -->``: by ``make --dry-run``.
- ``<!-- run: in FILE: TEXT -->``: a test or workflow does it: this text is in that file.
- ``<!-- run: by nobody: REASON -->``.

A block of any other language holds no command.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.command import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = ("sh", "python")
ALL = ("", *RUN, "text", "json", "swift")

_FENCE = re.compile(r"^```(\w*)$")
_HOW = re.compile(r"^<!-- run: (soak|dry|in|by nobody)(?: with (.+)|: (.+)| (\S+): (.+))? -->$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of code.

    Attributes:
        line: Where it begins, from 1.
        how: ``fast``, ``soak``, ``dry``, ``in`` or ``by nobody``.
        options: What a soak adds to each command.
        place: The file that runs it, where one does.
        why: The text in that file, or the reason why nobody runs it.
    """

    page: Path
    line: int
    language: str
    text: str
    how: str = "fast"
    options: str = ""
    place: str = ""
    why: str = ""

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a shell block, each as its words, redirections left out."""
        if self.language != "sh":
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        return [command for line in lines for command in _commands(line)]


def blocks(page: Path) -> list[Block]:
    """Returns the blocks of a page, in its order."""
    return list(_blocks(page, page.read_text(encoding="utf-8").splitlines()))


def _blocks(page: Path, lines: list[str]) -> Iterator[Block]:
    begin = None
    for number, line in enumerate(lines):
        if begin is None and line.startswith("```"):
            begin = number
        elif begin is not None and line == "```":
            fence, before = _FENCE.match(lines[begin]), lines[begin - 1] if begin else ""
            assert fence, f"{page.name}:{begin + 1}: {lines[begin]} is no language alone"
            text = "\n".join(lines[begin + 1 : number]) + "\n"
            yield Block(
                page=page, line=begin + 1, language=fence[1], text=text, **_how(page, before)
            )
            begin = None
    assert begin is None, f"{page.name}:{begin}: the block does not end"


def _how(page: Path, before: str) -> dict[str, str]:
    if not before.startswith("<!-- run:"):
        return {}
    found = _HOW.match(before)
    assert found, f"{page.name}: {before} is not one of the ways to run a block"
    how, options, reason, place, text = found.groups()
    return {
        "how": how, "options": options or "", "place": place or "", "why": reason or text or "",
    }  # fmt: skip


def _commands(line: str) -> Iterator[list[str]]:
    split = shlex.shlex(line, posix=True, punctuation_chars="|&<>;")
    split.whitespace_split = True
    words: list[str] = []
    for word in split:
        if set(word) <= set("|&;"):
            yield words
            words = []
        else:
            words.append(word)
    if words:
        yield words[: next((at for at, word in enumerate(words) if word in ("<", ">")), None)]
