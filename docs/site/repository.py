"""Takes files of the repository that a page links to into the site, under ``repository/``.

In the repository such links are relative and lead out of ``docs/``; MkDocs knows no file there.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
DOCS = "docs/"
INSIDE = "repository/"
_LINK = re.compile(r"(\]\(|src=\")([^)\"\s]+)")


def on_files(files: Files, *, config: Any) -> Files:
    """Adds what pages link to, and what is linked to from there."""
    names = [f"{DOCS}{file.src_uri}" for file in files.documentation_pages()]
    for name in names:  # which grows
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in dict.fromkeys(_path(name, link) for _, link in _LINK.findall(text)):
            if (
                target is None
                or target.startswith(DOCS)
                or files.get_file_from_path(_inside(target))
            ):
                continue
            made = File.generated(config, _inside(target), abs_src_path=str(ROOT / target))
            files.append(made)
            if target.endswith(".md"):
                names.append(target)
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Returns a page whose links lead to where the site has the files."""
    here = page.file.src_uri
    name = here.removeprefix(INSIDE) if here.startswith(INSIDE) else f"{DOCS}{here}"

    def moved(found: re.Match[str]) -> str:
        target = _path(name, found[2])
        if target is None:
            return found[0]
        inside = target.removeprefix(DOCS) if target.startswith(DOCS) else _inside(target)
        anchor = found[2].partition("#")[2]
        link = posixpath.relpath(inside, posixpath.dirname(here) or ".")
        return f"{found[1]}{link}{'#' * bool(anchor)}{anchor}"

    return _LINK.sub(moved, markdown)


def _path(name: str, link: str) -> str | None:
    """Returns the file of the repository that a link of one of its pages names, if it names one.

    A folder stands for its README.
    """
    path = link.partition("#")[0]
    if not path or ":" in path:
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    if not (ROOT / target).is_relative_to(ROOT) or target.startswith(".."):
        return None
    readme = f"{target}/README.md"
    if (ROOT / readme).is_file():
        return readme
    return target if (ROOT / target).is_file() else None


def _inside(target: str) -> str:
    return f"{INSIDE}{target}"
