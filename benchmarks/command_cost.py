"""Measures what a command costs: seconds, and memory over all its processes together.

Run it with what follows ``pocketbert``, as ``python benchmarks/command_cost.py build -o bundle`` or
``python benchmarks/command_cost.py parity bundle --data squad.json --limit 200``. Memory is the
proportional set size (a page that several processes share counts once), sampled twice a second.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.5


def measure(command: list[str]) -> dict[str, object]:
    """Runs a command and returns its seconds, peak bytes, and what it printed."""
    peak_bytes = 0
    with tempfile.TemporaryFile() as output:  # a pipe that nobody reads would stop the command
        begin = time.perf_counter()
        running = subprocess.Popen(command, stdout=output)
        while running.poll() is None:
            peak_bytes = max(peak_bytes, tree_bytes(psutil.Process(running.pid)))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - begin
        output.seek(0)
        result = json.load(output)
    return {
        "seconds": round(seconds, 1),
        "peak_bytes": peak_bytes,
        "exit_code": running.returncode,
        "result": result,
    }


def tree_bytes(root: psutil.Process) -> int:
    """Returns the memory of a process and its children."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):  # the command itself may just have ended
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
    return total


def main() -> None:
    """Prints one JSON object."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    pocketbert = str(Path(sys.executable).with_name("pocketbert"))
    print(json.dumps(measure([pocketbert, *sys.argv[1:], "--json"]), indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
