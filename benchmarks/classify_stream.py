"""Measures what ``pocketbert classify`` adds to its runtime: time, and memory as lines go by.

    python benchmarks/classify_stream.py bundle --runtime litert --lines 10000

Prints one JSON object. ``ratio`` is the time from the first answer to the last over the runtime's
own (the sum of ``latency_ms``); ``ratio_with_start`` counts imports and loading, too. Beside other
work both are mostly the waits of the scheduler: ``cpu_ratio`` is the processor's time of all
processes over that of the runtime's alone. Memory is the proportional set size of all processes, at
a tenth of the lines and at the end.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import IO, Any

import psutil
from command_cost import tree_bytes

from pipeline.tasks.text_classification.own_texts import own_texts

POCKETBERT = [sys.executable, "-m", "pocketbert"]


def measure(bundle: Path, *, runtime: str, num_lines: int) -> dict[str, Any]:
    """Classifies lines that are there before they are asked for, and returns what that cost.

    The last comes when all others are answered, so that no process ends before it is measured.
    """
    *lines, last = islice(_lines(), num_lines)
    command = [*POCKETBERT, "classify", str(bundle), "--runtime", runtime, "--json"]
    begin = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None and running.stdout is not None
        giving = threading.Thread(target=_give, args=(running.stdin, lines))
        giving.start()
        answers = islice(running.stdout, len(lines))
        found = _follow(answers, psutil.Process(running.pid), len(lines))
        giving.join()
        running.stdin.write(last)
        running.stdin.close()
        found["lines"] += sum(1 for _ in running.stdout)
    if running.returncode or found["lines"] != num_lines:
        sys.exit(f"{found['lines']} of {num_lines} lines, exit code {running.returncode}")
    begun, ended = found.pop("begun"), found.pop("ended")
    command_cpu, runtime_cpu = found["command_cpu_seconds"], found["runtime_cpu_seconds"]
    own = found["runtime_seconds"]
    return {
        **found,
        "seconds": ended - begun,
        "cpu_ratio": (command_cpu + runtime_cpu) / runtime_cpu,
        "ratio": (ended - begun) / own,
        "ratio_with_start": (ended - begin) / own,
    }


def _give(file: IO[bytes], lines: Iterable[bytes]) -> None:
    file.writelines(lines)
    file.flush()


def _follow(answers: Iterable[bytes], process: psutil.Process, num_lines: int) -> dict[str, Any]:
    """Returns when answers came, what the runtime says it took, and the memory meanwhile."""
    found: dict[str, Any] = {"lines": 0}
    own_ms = 0.0
    sampled = {num_lines // 10: "bytes_at_a_tenth", num_lines: "bytes_at_the_end"}
    for number, line in enumerate(answers, start=1):
        found["ended"] = time.perf_counter()
        found["lines"] = number
        if number == 1:
            found["begun"] = found["ended"]  # its own time lies before
            before = _cpu_seconds(process)
            continue
        own_ms += sum(each["latency_ms"] for each in json.loads(line)["results"])
        if number in sampled:
            found[sampled[number]] = tree_bytes(process)
        if number == num_lines:
            after = _cpu_seconds(process)
            for name, one, other in zip(("command", "runtime"), before, after, strict=True):
                found[f"{name}_cpu_seconds"] = other - one
    return {**found, "runtime_seconds": own_ms / 1e3}


def _cpu_seconds(process: psutil.Process) -> tuple[float, float]:
    """Returns the processor's time of a command, and of the processes that it started."""
    children = [child.cpu_times() for child in process.children(recursive=True)]
    own = process.cpu_times()
    return own.user + own.system, sum(each.user + each.system for each in children)


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
    parser.add_argument("--lines", type=int, default=10_000, help="Twenty at least.")
    chosen = parser.parse_args()
    found = measure(chosen.bundle, runtime=chosen.runtime, num_lines=chosen.lines)
    rounded = {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in found.items()
    }
    print(json.dumps(rounded, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
