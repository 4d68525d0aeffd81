"""Measures what ``pocketbert classify`` adds to its runtime: time, and memory as lines go by.

    python benchmarks/classify_stream.py bundle --runtime litert --lines 10000

Prints one JSON object. ``ratio`` is the time from the first answer to the last over the runtime's
own (the sum of ``latency_ms``); ``ratio_with_start`` counts imports and loading, too. Memory is the
proportional set size of all its processes, at a tenth of the lines and at the end.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import IO, Any

import psutil
from command_cost import tree_bytes

from pipeline.tasks.text_classification.own_texts import own_texts

POCKETBERT = [sys.executable, "-m", "pocketbert"]


def measure(bundle: Path, *, runtime: str, num_lines: int) -> dict[str, Any]:
    """Classifies lines that are all there from the beginning, and returns what that cost."""
    with tempfile.TemporaryFile() as lines:
        for line in islice(_lines(), num_lines):
            lines.write(line)
        lines.seek(0)
        command = [*POCKETBERT, "classify", str(bundle), "--runtime", runtime, "--json"]
        begin = time.perf_counter()
        with subprocess.Popen(command, stdin=lines, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            found = _follow(running.stdout, psutil.Process(running.pid), num_lines)
    if running.returncode or found["lines"] != num_lines:
        sys.exit(f"{found['lines']} of {num_lines} lines, exit code {running.returncode}")
    begun, ended = found.pop("begun"), found.pop("ended")
    own = found["runtime_seconds"]
    return {
        **found,
        "seconds": ended - begun,
        "ratio": (ended - begun) / own,
        "ratio_with_start": (ended - begin) / own,
    }


def _follow(answers: IO[bytes], process: psutil.Process, num_lines: int) -> dict[str, Any]:
    """Returns when answers came, what the runtime says it took, and the memory meanwhile."""
    found: dict[str, Any] = {"lines": 0}
    own_ms = 0.0
    sampled = {max(2, num_lines // 10): "bytes_at_a_tenth", num_lines: "bytes_at_the_end"}
    for number, line in enumerate(answers, start=1):
        found["ended"] = time.perf_counter()
        found["lines"] = number
        if number == 1:
            found["begun"] = found["ended"]  # its own time lies before
            continue
        own_ms += sum(each["latency_ms"] for each in json.loads(line)["results"])
        if number in sampled:
            found[sampled[number]] = tree_bytes(process)
    return {**found, "runtime_seconds": own_ms / 1e3}


def _lines() -> Iterator[bytes]:
    """Yields the package's own texts, each with a number, so that none comes twice."""
    texts = own_texts(labels=(), pair=False)
    for number, each in enumerate(cycle(texts)):
        yield f"{each.text} {number}\n".encode()


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--runtime", default="litert")
    parser.add_argument("--lines", type=int, default=10_000)
    chosen = parser.parse_args()
    found = measure(chosen.bundle, runtime=chosen.runtime, num_lines=chosen.lines)
    rounded = {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in found.items()
    }
    print(json.dumps(rounded, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
