"""Measures what a build costs: seconds, and memory over all its processes together.

Run it with ``python benchmarks/build_cost.py [MODEL]``. Memory is the proportional set size (a page
that several processes share counts once), sampled ten times a second.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.1


def measure(command: list[str]) -> dict[str, object]:
    """Runs a build and returns its seconds, peak bytes, and what it printed."""
    begin = time.perf_counter()
    build = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    peak_bytes = 0
    while build.poll() is None:
        peak_bytes = max(peak_bytes, tree_bytes(psutil.Process(build.pid)))
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - begin
    assert build.stdout is not None
    return {
        "seconds": round(seconds, 1),
        "peak_bytes": peak_bytes,
        "exit_code": build.returncode,
        "result": json.loads(build.stdout.read()),
    }


def tree_bytes(root: psutil.Process) -> int:
    """Returns the memory of a process and its children."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):  # the build itself may just have ended
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
    return total


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="as `pocketbert build` takes it")
    model = parser.parse_args().model
    with tempfile.TemporaryDirectory() as folder:
        pocketbert = str(Path(sys.executable).with_name("pocketbert"))
        command = [pocketbert, "build", "-o", f"{folder}/bundle", "--json"]
        measured = measure(command + [model] * (model is not None))
    print(json.dumps(measured, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
