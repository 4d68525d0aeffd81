"""A backend more is a folder and its rows in the tables: no other line of the product changes."""

import os
import shutil
from pathlib import Path

import pytest

from tests.command import ROOT, pocketbert

ROWS = {
    "BACKENDS: dict[str, tuple[str, ...]] = {": '"toy": ("numpy",),',
    "RUNTIMES = (": 'Runtime(name="toy-numpy", backend="toy", packages=("numpy",), extra="toy"),',
}
"""What follows the first line of each table."""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Both packages, with a fourth backend."""
    for package in ("pipeline", "converters"):
        shutil.copytree(
            ROOT / package, tmp_path / package, copy_function=os.symlink,
            ignore=shutil.ignore_patterns("__pycache__"),
        )  # fmt: skip
    shutil.copytree(Path(__file__).with_name("toy"), tmp_path / "converters" / "toy")
    tables = tmp_path / "converters" / "backends.py"
    text = tables.read_text(encoding="utf-8")
    for first_line, row in ROWS.items():
        assert first_line in text
        text = text.replace(first_line, f"{first_line}\n    {row}")
    tables.unlink()
    tables.write_text(text, encoding="utf-8")
    return tmp_path


def test_fourth_backend_is_built_audited_compared_and_looked_into(
    house: Path, student_folder: Path, squad_file: Path
) -> None:
    here = {"cwd": house, "env": {"PYTHONPATH": str(house)}}
    built = pocketbert(
        "build", student_folder, "-o", house / "bundle", "--backend", "toy", "--seq-len", "32,64",
        "--data", squad_file, "--json", **here,
    )  # fmt: skip
    assert built.code == 0, built.stdout + built.stderr
    [artifact] = built.json["artifacts"]
    assert (artifact["backend"], artifact["precision"]) == ("toy", "int8")
    lengths = [(each["runtime"], each["seq_len"]) for each in built.json["parity"]]
    assert lengths == [("toy-numpy", 32), ("toy-numpy", 64)]
    looked_into = pocketbert(
        "parity", house / "bundle", "--data", squad_file, "--reference", student_folder,
        "--localize", "--json", **here,
    )  # fmt: skip
    assert looked_into.code == 0, looked_into.stdout + looked_into.stderr
    shown = pocketbert("inspect", house / "bundle" / "toy" / "model.npz", "--json", **here)
    [found] = shown.json["artifacts"]
    assert found["bytes_by_dtype"]["int8"] >= 800 * 64
