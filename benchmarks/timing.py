"""What benchmarks share: repetitions that take turns, their spread, and the machine in words."""

import functools
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from pipeline.benchmark.turns import Spread, spread, take_turns

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"""By name. On a machine that does other work, the processor's time is what a step costs."""


def time_in_turns(
    functions: Mapping[str, Callable[[], object]],
    *,
    num_repetitions: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Returns milliseconds by name, a value for each repetition; the functions take turns.

    Warm them up before.
    """

    def timed(function: Callable[[], object]) -> float:
        begin = clock()
        function()
        return (clock() - begin) * 1e3

    calls = {name: functools.partial(timed, function) for name, function in functions.items()}
    return take_turns(calls, num_repetitions=num_repetitions)


def ratio(*, times_ms: Sequence[float], base_ms: Sequence[float]) -> Spread:
    """Returns how often the base fits into each time, turn by turn."""
    return spread([ours / base for ours, base in zip(times_ms, base_ms, strict=True)])


def write_figures(path: Path, rows: Sequence[Any]) -> None:
    """Writes a table's rows, which are dataclasses, and the machine that they were measured on."""
    figures = {"machine": describe_machine(), "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def describe_machine() -> dict[str, object]:
    """Returns what decides times beside the code."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
