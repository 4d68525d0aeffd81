"""Starts processes that a library can crash or fill without taking anything else along.

Every process that PocketBERT starts is begun here: as a fresh interpreter, with its chatter in a
file, no more memory than the machine has, and an end of its own when its caller is gone.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pipeline.running.spawning import without_the_script


def start(
    body: Callable[..., None], *arguments: Any, log: Path = Path(os.devnull)
) -> tuple[BaseProcess, Connection]:
    """Starts a process, and returns it with this end of a pipe to it.

    Args:
        body: A module's function, called as ``body(connection, *arguments)`` with the other end.
        arguments: Picklable.
        log: An existing file, or a new one, that takes what the process prints.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_begin, args=(there, log, body, arguments), daemon=True)
    resource_tracker.ensure_running()  # the first start would do so, and unblock SIGINT
    # The process is born with SIGINT blocked, until it ignores it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with without_the_script():
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    there.close()
    return process, here


def peak_rss_bytes() -> int:
    """Returns the most memory that this process has held.

    On Linux ``getrusage`` would not do: its number is handed on from the process that started this
    one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_bytes() -> int:
    """Returns how much memory the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _begin(
    connection: Connection, log: Path, body: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # A terminal sends Ctrl-C to all; the caller ends its processes itself, and says so once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _end_with_the_caller()
    _limit_memory()
    body(connection, *arguments)


def _limit_memory() -> None:
    """Lets this process ask for no more memory than the machine has.

    What asks for more gets an error at once, where it would push all others out of memory first.
    And if memory runs out nevertheless, the system is to take it from here.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory_bytes() if hard == resource.RLIM_INFINITY else min(hard, memory_bytes())
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    with contextlib.suppress(OSError):  # Linux alone has it
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _end_with_the_caller() -> None:
    """Lets this process end when the caller's is gone: killed, that could not do so itself."""

    def wait() -> None:
        caller = multiprocessing.parent_process()
        if caller is not None:
            caller.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
