"""The rooms of the house: which may import which, and how much stands in each.

Every import counts: of types alone, and inside of functions, too.
"""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT

MAX_ROOMS = 16
"""Of ``pipeline``. The page is one, for it is a program beside the flows and not a step of one."""
MAX_FILES = 14
"""In one room, its ``__init__`` not counted."""

MAX_LINES = 50
"""Of a function, with its docstring. A command does not count: its parameters are a table."""

FLOWS = "pipeline"
"""The modules on the top floor of ``pipeline``, a flow each."""

Import = tuple[str, str]
"""The module that imports, and the module that is imported."""


def test_converters_import_nothing_of_pipeline() -> None:
    crossing = [
        (module, name)
        for module, name in imports()
        if module.startswith("converters") and name.startswith("pipeline")
    ]
    assert not crossing, tell(crossing)


def test_no_room_imports_what_imports_it() -> None:
    closed = circle(list(imports()))
    assert not closed, tell(closed)


def test_circle_is_told_by_the_imports_that_close_it() -> None:
    good = [("pipeline.build", "pipeline.student.load"), ("pipeline.student.load", "numpy")]
    there = ("pipeline.student.trace", "pipeline.conversion.convert")
    back = ("pipeline.conversion.audit", "pipeline.student.load")
    assert circle([*good, back]) == []
    assert set(circle([*good, back, there])) == {back, there}


def test_rooms_are_few_and_small() -> None:
    rooms = sorted(folder for folder in (ROOT / "pipeline").iterdir() if is_room(folder))
    assert len(rooms) <= MAX_ROOMS, [room.name for room in rooms]
    for folder in (path.parent for path in ROOT.glob("[pc]*/**/__init__.py")):
        modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MAX_FILES, (folder.name, modules)


def test_top_floor_holds_the_flows_alone() -> None:
    """A module there is one that a command calls."""
    called = {name for module, name in imports() if module.startswith("pipeline.commands")}
    flows = {name for name in modules() if name.count(".") == 1 and room(name) == FLOWS}
    assert flows - called == {"pipeline.__main__"}


@pytest.mark.parametrize("package", ["pipeline", "converters", "benchmarks"])
def test_functions_are_read_at_a_glance(package: str) -> None:
    commands = ROOT / "pipeline" / "commands"
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in (ROOT / package).rglob("*.py")
        if commands not in path.parents
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_LINES
    ]
    assert not long


def test_tests_mirror_the_rooms() -> None:
    for package in ("pipeline", "converters"):
        for path in (ROOT / "tests" / package).rglob("test_*.py"):
            mirrored = ROOT / path.parent.relative_to(ROOT / "tests")
            assert (mirrored / "__init__.py").is_file(), path.relative_to(ROOT)


def modules() -> dict[str, Path]:
    """Returns every module of both packages by its dotted name."""
    paths = [path for name in ("pipeline", "converters") for path in (ROOT / name).rglob("*.py")]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


def imports() -> Iterator[Import]:
    """Yields every import of one module of the packages by another."""
    known = modules()
    for module, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in known else node.module for name in names]
            else:
                continue
            yield from ((module, name) for name in names if name in known)


def room(module: str) -> str:
    """Returns the room of a module: a folder of a package, or the package's own floor."""
    parts = module.split(".")
    return ".".join(parts[:2]) if is_room(ROOT.joinpath(*parts[:2])) else parts[0]


def is_room(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def circle(found: list[Import]) -> list[Import]:
    """Returns the imports of a shortest circle of rooms; none where there is no circle.

    ``pipeline.__main__`` starts the command line, and ``pipeline`` itself is a version: they stand
    outside.
    """
    between = {
        (room(module), room(name)): (module, name)
        for module, name in found
        if room(module) != room(name) and name != "pipeline" and module != "pipeline.__main__"
    }
    closed = [
        [between[step] for step in itertools.pairwise([*way, way[0]])]
        for start in {one for one, _ in between}
        if (way := way_back(start, set(between)))
    ]
    return min(closed, key=len, default=[])


def way_back(start: str, between: set[tuple[str, str]]) -> list[str]:
    """Returns the rooms of a shortest way from a room to itself, each once; none if none leads."""
    ways = [[start]]
    seen = set()
    for way in ways:
        for one, other in sorted(between):
            if one == way[-1] and other == start:
                return way
            if one == way[-1] and other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []


def tell(crossing: list[Import]) -> str:
    return "\n".join(f"{module} imports {name}" for module, name in crossing)
