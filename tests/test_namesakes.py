"""The command in a folder that has packages of the names of ours: whoever imports those fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT
from tests.pipeline.distillation.small_data import numbered_squad

POCKETBERT = (sys.executable, "-m", "pocketbert")


@pytest.fixture(params=["package", "module"])
def folder(request, tmp_path: Path) -> Path:
    """Holds ``pipeline`` as a package or a module, and ``converters`` as the other."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("pipeline", "converters"):
        if (request.param == "package") == (name == "pipeline"):
            (folder / name).mkdir()
            path = folder / name / "__init__.py"
        else:
            path = folder / f"{name}.py"
        path.write_text("raise RuntimeError(f'{__file__} was imported')\n")
    return folder


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command there, by a path of Python's on which that folder is first."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert "was imported" not in done.stdout + done.stderr, done.stderr
    return done


def test_namesakes_are_in_the_way_of_a_command_that_is_started_by_a_name_of_theirs(folder):
    with pytest.raises(AssertionError, match="was imported"):
        run(folder, sys.executable, "-m", "pipeline", "--version")


def test_command_that_pip_installs_finds_its_own_packages(folder):
    """The script is what pip writes for the entry point that pyproject.toml names."""
    script = folder.parent / "pocketbert"
    script.write_text("import sys\nfrom pocketbert import main\nsys.exit(main())\n")
    done = run(folder, sys.executable, script, "--help")
    assert done.returncode == 0, done.stderr
    assert 'pocketbert = "pocketbert:main"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("folder", ["package"], indirect=True)
def test_build_and_bench_find_their_packages_in_workers_and_seats(
    folder, student_folder, squad_file
):
    # Every worker would import this, too, were the folder on its path before ours is given to it.
    (folder / "multiprocessing.py").write_text("raise RuntimeError(f'{__file__} was imported')\n")
    script = folder.parent / "pocketbert"
    script.write_text("import sys\nfrom pocketbert import main\nsys.exit(main())\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for arguments in (
        ["build", student_folder, "-o", "bundle", "--backend", "tflite", "--precision", "fp32",
         "--seq-len", "32", "--data", squad_file],
        ["bench", "bundle", "--runtime", "litert", "--repetitions", "2"],
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, str(script), *map(str, arguments)],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("folder", "num_processes"), [("module", 1), ("package", 2)], indirect=["folder"]
)
def test_distill_under_accelerate_launch_finds_its_own_packages(
    folder, num_processes, student_folder
):
    numbered_squad(folder / "squad.json", num_contexts=3)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu"]
    launch += ["--num_processes", str(num_processes), "--num_machines", "1", "--dynamo_backend"]
    launch += ["no", "--mixed_precision", "no", "--num_cpu_threads_per_process", "1"]
    done = run(
        folder, *launch, "-m", "pocketbert", "distill", "--teacher", student_folder, "--layers",
        "1", "--data", "squad.json", "--held-out", "2", "--max-seq-len", "64", "--batch-size", "2",
        "--steps", "1", "-o", "student",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (folder / "student" / "model.safetensors").is_file()
