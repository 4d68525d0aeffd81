"""The wheel, installed as a user installs it, and with what."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
OUTSIDE = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
"""An environment in which nothing points to this source tree."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    subprocess.run([*build, ROOT], check=True, timeout=300)
    (made,) = folder.glob("pocketbert-*.whl")
    return made


def test_wheel_holds_the_students_their_examples_and_the_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    assert {
        "pipeline/student/embedded/model.safetensors",
        "pipeline/student/embedded/vocab.txt",
        "pipeline/student/embedded/README.md",
        "pipeline/student/embedded-text-classification/model.safetensors",
        "pipeline/student/embedded-text-classification/vocab.txt",
        "pipeline/student/embedded-text-classification/README.md",
        "pipeline/tasks/text_classification/texts.tsv",
        "pipeline/tasks/question_answering/questions.json",
        "pipeline/tokenizer/unicode.json",
        "pipeline/on_device/wordpiece.py",
        "pipeline/on_device/SPECIFICATION.md",
        "pipeline/report/report.html",
        "pipeline/page/page.html",
        "pipeline/page/static/page.css",
        "pipeline/page/static/page.js",
        "pipeline/page/static/icon.svg",
        "pipeline/py.typed",
        "converters/py.typed",
        "pocketbert.py",
    } <= names
    assert wheel.stat().st_size < 70_000_000
    assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_wheel_builds_a_bundle_in_an_environment_of_its_pins(wheel: Path, tmp_path: Path) -> None:
    """One extra stands for all: Core ML's is the smallest, and the others must not be missed.

    The packages are links to those installed here, and those alone that pip would install for
    the wheel, by its own metadata: what it forgets to ask for is missing there, too.
    """
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    (site,) = (environment / "lib").glob("python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", environment / "bin" / "python"]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", wheel], env=OUTSIDE, check=True, timeout=300
    )
    for name in required("pocketbert", {"coreml"}, path=site):
        link_files(name, site)
    subprocess.run([*pip, "check"], env=OUTSIDE, check=True, timeout=300)
    check_build(environment, tmp_path)


@pytest.mark.soak
def test_wheel_builds_a_bundle_where_pip_has_installed_it(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=120)
    install = [environment / "bin" / "pip", "install", "--quiet", f"{wheel}[coreml]"]
    subprocess.run(install, check=True, timeout=1800)
    check_build(environment, tmp_path)


def check_build(environment: Path, folder: Path) -> None:
    built = subprocess.run(
        [environment / "bin" / "pocketbert", "build", "-o", "bundle", "--json"],
        cwd=folder, env=OUTSIDE, capture_output=True, encoding="utf-8", timeout=900, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    result = json.loads(built.stdout)
    assert [each["backend"] for each in result["artifacts"]] == ["coreml"]
    assert [each["verdict"] for each in result["parity"]] == ["pass"]
    skipped = {each["runtime"]: each["reason"] for each in result["skipped"]}
    assert "pip install 'pocketbert[executorch]'" in skipped["executorch"]
    assert "pip install 'pocketbert[tflite]'" in skipped["litert"]


def test_tested_versions_are_those_that_are_pinned() -> None:
    """What pip and uv take ``constraints.txt`` for: one version of everything, the pins' own."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    stated = [Requirement(line) for line in lines if not line.startswith("#")]
    versions: dict[str, list[str]] = {}
    for each in stated:
        (exact,) = each.specifier
        assert exact.operator == "=="
        versions.setdefault(canonicalize_name(each.name), []).append(exact.version)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for asked in (Requirement(text) for group in groups for text in group):
        if asked.name != "pocketbert":
            for version in versions[canonicalize_name(asked.name)]:
                assert asked.specifier.contains(version), asked


def test_makefile_takes_the_pythons_that_the_project_says_it_runs_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    workflow = (ROOT / ".github" / "workflows" / "python.yml").read_text(encoding="utf-8")
    supported = SpecifierSet(project["requires-python"])
    names = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in supported]
    assert (
        re.findall(r"python(3\.\d+)", makefile.split("PYTHONS :=")[1].split("\n")[0])
        == (names[::-1])
    )
    assert re.findall(r'"(3\.\d+)"', workflow) == names
    low, high = (tuple(map(int, name.split("."))) for name in (names[0], names[-1]))
    assert f"{low} <= sys.version_info < {(high[0], high[1] + 1)}" in makefile


def test_make_says_in_one_line_what_to_install_where_no_python_fits(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "sh").symlink_to("/bin/sh")
    python = tools / "python3.12"  # on the PATH, and it does not run
    python.write_text("#!/bin/sh\nexit 127\n")
    python.chmod(0o755)
    make = shutil.which("make")
    if make is None:
        pytest.skip("there is no make here")
    done = subprocess.run(
        [make, "--silent", "python", "VENV=none"], cwd=ROOT, env={"PATH": str(tools)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[0].startswith("no Python 3.11, 3.12 or 3.13 with venv is on")
    named = subprocess.run(
        [make, "--silent", "python", "PYTHON=/opt/python"], cwd=ROOT, env={"PATH": str(tools)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert named.stdout == "/opt/python\n"


def required(package: str, extras: set[str], *, path: Path) -> set[str]:
    """Returns the names of all distributions that a package needs, those that it finds here."""
    found: set[str] = set()
    waiting = [(package, frozenset(extras))]
    while waiting:
        name, wanted = waiting.pop()
        where = [str(path)] if name == package else sys.path
        (distribution, *_) = metadata.distributions(name=name, path=where)
        for line in distribution.requires or ():
            needed = Requirement(line)
            environments = [{"extra": extra} for extra in wanted or {""}]
            marker = needed.marker
            if marker is not None and not any(marker.evaluate(each) for each in environments):
                continue
            key = canonicalize_name(needed.name)
            if key not in found:
                found.add(key)
                waiting.append((key, frozenset(needed.extras)))
    return found


def link_files(name: str, site: Path) -> None:
    """Links what a distribution installed here into another environment's packages."""
    (distribution, *_) = metadata.distributions(name=name, path=sys.path)
    root = Path(str(distribution.locate_file("")))
    for file in distribution.files or ():
        if ".." in file.parts:
            continue  # scripts, of which none is called
        link = site / file
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(root / file)
