"""Reads damaged files one after another, in a process that may crash or hang, and counts.

A worker is forked, for readers call native code. It tells the number of each case before it begins;
if it dies, that case is the culprit, and a new worker goes on behind it.
"""

import json
import mmap
import os
import resource
import shutil
import signal
import struct
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from converters.values.errors import GateError, InputError

CASE_SECONDS = 5
"""A reader takes milliseconds. The alarm ends native code, too."""

MEMORY_BYTES = 2 * 10**9
"""That a reader may ask for beyond what it has when it begins. The files are below 0.1 MB."""

MAX_FAILURES = 25
"""Enough to see what is wrong; then a run ends early."""

_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where the cases lie: writing them to a disk takes longer than reading them."""

_COUNTS = ("begun", "mutations", "accepted", "refused")
_LOG = "failures"
_LAYOUT = struct.Struct(f"{len(_COUNTS)}Q")


class WrongAcceptanceError(Exception):
    """A reader took a damaged file for a good one."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A damaged input.

    Attributes:
        files: Contents by path; what is not among them stays as it was before.
        is_mutation: Whether it was made from a valid file.
        call: Which of the reader's functions is to read it, where there are several.
    """

    files: Mapping[str, bytes]
    is_mutation: bool
    call: int = 0


@dataclass(frozen=True, kw_only=True)
class Target:
    """A reader to be fuzzed.

    Attributes:
        make: Returns the next case.
        read: Reads the case in a folder. It raises what the reader raises, or
            ``WrongAcceptanceError``.
        named: The path that an error must name, relative to the folder.
    """

    name: str
    make: Callable[[Random], Case]
    read: Callable[[Path, Case], None]
    named: str


@dataclass(kw_only=True)
class Tally:
    """What became of some cases.

    Attributes:
        failures: What went wrong, with the line that repeats it.
    """

    target: str
    cases: int = 0
    mutations: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Returns it as one line."""
        return json.dumps(asdict(self))


def run(target: Target, *, seed: int, first: int, count: int) -> Tally:
    """Reads ``count`` cases, beginning with the one of number ``first``."""
    begin = time.perf_counter()
    tally = Tally(target=target.name)
    with mmap.mmap(-1, _LAYOUT.size) as counts, tempfile.TemporaryDirectory(dir=_MEMORY) as work:
        log = Path(work, _LOG)
        while first + tally.cases < first + count and len(tally.failures) < MAX_FAILURES:
            numbers = range(first + tally.cases, first + count)
            status = _in_fork(partial(_read_all, target, seed, numbers, counts, Path(work)))
            begun, *found = _LAYOUT.unpack_from(counts)
            tally.cases += begun
            tally.mutations += found[0]
            tally.accepted += found[1]
            tally.refused += found[2]
            if os.WIFSIGNALED(status):
                name = signal.Signals(os.WTERMSIG(status)).name
                how = f"hung for {CASE_SECONDS} s" if name == "SIGALRM" else f"crashed with {name}"
                tally.failures.append(f"{how}: {_repeat(target, seed, numbers[0] + begun - 1)}")
            elif status:
                tally.failures.append(f"the loop itself failed, after {tally.cases} cases")
                break
            if log.exists():
                tally.failures += log.read_text().splitlines()
                log.unlink()
    tally.seconds = time.perf_counter() - begin
    return tally


def _repeat(target: Target, seed: int, number: int) -> str:
    return f"python -m tests.fuzz {target.name} --seed {seed} --first {number} --count 1"


def _in_fork(work: Callable[[], None]) -> int:
    """Returns how a fork of this process ended that did some work."""
    worker = os.fork()
    if worker == 0:
        code = 1
        try:
            _limit_memory()
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitpid(worker, 0)[1]


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read_all(target: Target, seed: int, numbers: range, counts: mmap.mmap, work: Path) -> None:
    tally = dict.fromkeys(_COUNTS, 0)
    num_failed = 0
    folder, log = work / "case", work / _LOG
    tempfile.tempdir = str(work)
    for number in numbers:
        case = target.make(Random(f"{target.name} {seed} {number}"))
        tally["begun"] += 1
        tally["mutations"] += case.is_mutation
        _LAYOUT.pack_into(counts, 0, *tally.values())
        for name, content in case.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        signal.setitimer(signal.ITIMER_REAL, CASE_SECONDS)
        problem = _problem(target, folder, case, tally)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if problem:
            num_failed += 1
            with log.open("a") as file:
                file.write(f"{problem}: {_repeat(target, seed, number)}\n")
            if num_failed == MAX_FAILURES:
                break
    _LAYOUT.pack_into(counts, 0, *tally.values())
    shutil.rmtree(folder, ignore_errors=True)


def _problem(target: Target, folder: Path, case: Case, tally: dict[str, int]) -> str:
    """Returns in a line what a reader did wrong; nothing where it did right."""
    try:
        target.read(folder, case)
    except (InputError, GateError) as err:
        tally["refused"] += 1
        if str(folder / target.named) not in err.message:
            return f"the message does not name the file: {err.message!r}"
        if "\n" in err.message or not err.hint:
            return f"not one line with a hint: {err.message!r}"
        if any(isinstance(cause, MemoryError) for cause in _causes(err)):
            return f"it asked for more than {MEMORY_BYTES:,} bytes: {err.message!r}"
    except BaseException as err:
        last = traceback.extract_tb(err.__traceback__)[-1]
        said = " ".join(str(err).split())[:300]
        return f"{type(err).__name__} at {last.filename}:{last.lineno}: {said}"
    else:
        tally["accepted"] += 1
    return ""


def _causes(err: BaseException | None) -> Iterator[BaseException]:
    while err is not None:
        yield err
        err = err.__cause__ or err.__context__
