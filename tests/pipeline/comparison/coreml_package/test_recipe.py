"""The README's recipe for any Core ML package, run as it is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.command import ROOT, pocketbert

SECTION = re.compile(r"## Check any Core ML package.*?(?=\n## )", re.DOTALL)
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


def test_recipe_of_the_readme_runs_as_printed(tmp_path: Path) -> None:
    section = SECTION.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert section is not None
    (_, command), (kind, recipe) = BLOCK.findall(section[0])[:2]
    assert kind == "python"

    made = subprocess.run(
        [sys.executable, "-c", recipe],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    assert made.returncode == 0, made.stderr

    program, *arguments = command.split()
    assert program == "pocketbert"
    finished = pocketbert(*arguments, "--json", cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert finished.code == 0, finished.stderr
    assert finished.json["parity"][0]["verdict"] == "pass"
