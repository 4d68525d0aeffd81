"""The wheel, installed as a user installs it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    subprocess.run([*build, ROOT], check=True, timeout=300)
    (made,) = folder.glob("pocketbert-*.whl")
    return made


def test_wheel_holds_the_student_the_questions_and_the_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    assert {
        "pipeline/student/embedded/model.safetensors",
        "pipeline/student/embedded/vocab.txt",
        "pipeline/student/embedded/README.md",
        "pipeline/tasks/question_answering/questions.json",
        "pipeline/tokenizer/unicode.json",
        "pipeline/on_device/wordpiece.py",
        "pipeline/on_device/SPECIFICATION.md",
        "pipeline/report/report.html",
        "pipeline/py.typed",
        "converters/py.typed",
    } <= names
    assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_wheel_builds_a_bundle_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    """One extra stands for all: Core ML's is the smallest, and the others must not be missed."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=120)
    install = [environment / "bin" / "pip", "install", "--quiet", f"{wheel}[coreml]"]
    subprocess.run(install, check=True, timeout=1800)
    outside = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    built = subprocess.run(
        [environment / "bin" / "pocketbert", "build", "-o", "bundle", "--json"],
        cwd=tmp_path, env=outside, capture_output=True, encoding="utf-8", timeout=900, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    result = json.loads(built.stdout)
    assert [each["backend"] for each in result["artifacts"]] == ["coreml"]
    assert [each["verdict"] for each in result["parity"]] == ["pass"]
    skipped = {each["runtime"]: each["reason"] for each in result["skipped"]}
    assert "pip install 'pocketbert[executorch]'" in skipped["executorch"]
    assert "pip install 'pocketbert[tflite]'" in skipped["litert"]
