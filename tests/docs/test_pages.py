"""Links, length, freshness and the site of README.md and docs/."""

import functools
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

from tests.command import ROOT
from tests.docs.blocks import PAGES

DOCS = ROOT / "docs"
MARKDOWN = [
    *PAGES,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "android_demo" / "README.md",
    ROOT / "ios_demo" / "README.md",
    *sorted((ROOT / "pipeline" / "on_device").rglob("SPECIFICATION.md")),
    *sorted((ROOT / "pipeline" / "student").glob("embedded*/README.md")),
    ROOT / "tests" / "mutations" / "README.md",
]
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?:\]\(|(?:src|href)=\")([^)\"\s]+)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(
    r"`((?:pipeline|converters|tests|benchmarks|docs|examples|android_demo|ios_demo)/[\w/.-]*)`"
)


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(_FENCED.sub("", page.read_text(encoding="utf-8"))):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https" and "." in parts.netloc, link
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        assert target.is_relative_to(ROOT) and target.exists(), link
        if parts.fragment:
            assert parts.fragment in anchors(target), link


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_paths_in_the_text_exist(page: Path) -> None:
    for name in _PATH.findall(page.read_text(encoding="utf-8")):
        assert "NAME" in name or (ROOT / name).exists(), name


def test_readme_takes_two_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_pages_and_parts_that_are_made_are_fresh() -> None:
    stale = [path.name for path in load("write").stale()]
    assert not stale, "run `python docs/site/write.py`"


def test_picture_shows_the_transcript() -> None:
    pictures = DOCS / "pictures"
    drawn = load("picture").draw((pictures / "demo.txt").read_text(encoding="utf-8"))
    assert (pictures / "demo.svg").read_text(encoding="utf-8") == drawn, (
        "run `python docs/site/picture.py`"
    )


def test_index_and_site_name_every_page() -> None:
    pages = {path.name for path in DOCS.glob("*.md")} - {"index.md"}
    for path in (DOCS / "index.md", DOCS / "site" / "mkdocs.yml", ROOT / "README.md"):
        text = path.read_text(encoding="utf-8")
        assert not [name for name in pages if name not in text], path


def test_site_is_made_without_a_warning(tmp_path: Path) -> None:
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        pytest.skip("MkDocs is not installed: pip install '.[docs]'")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", DOCS / "site" / "mkdocs.yml",
         "-d", tmp_path / "site"],
        capture_output=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "repository" / "pipeline" / "on_device").is_dir()


@functools.cache
def anchors(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCED.sub("", page.read_text(encoding="utf-8"))):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        count = 1
        while name in found:
            name, count = f"{name}-{count}", count + 1
        found.add(name)
    return found


@functools.cache
def load(name: str) -> ModuleType:
    """Returns a script of ``docs/site`` as a module."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", DOCS / "site" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
