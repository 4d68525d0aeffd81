"""The loop notices what a reader does wrong, and goes on."""

import os
import re
import signal
from pathlib import Path
from random import Random

import pytest

from converters.values.errors import InputError
from tests.fuzz import loop
from tests.fuzz.loop import Case, Target, WrongAcceptanceError, run

BAD = 3
"""Of ten kinds of cases, the one in which each reader goes wrong."""


def die(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(path: Path) -> None:
    while True:
        pass


def take_memory(path: Path) -> None:
    try:
        bytearray(2 * loop.MEMORY_BYTES)
    except MemoryError as err:
        raise InputError(f"{path} is damaged", hint="build it again") from err


def name_no_file(path: Path) -> None:
    raise InputError("something is damaged", hint="build it again")


def give_no_hint(path: Path) -> None:
    raise InputError(f"{path} is damaged")


def accept(path: Path) -> None:
    raise WrongAcceptanceError("it was read")


def leave(path: Path) -> None:
    raise SystemExit(0)


@pytest.mark.parametrize(
    ("misbehave", "told"),
    [
        (die, "crashed with SIGKILL"),
        (hang, "hung for 0.5 s"),
        (take_memory, "it asked for more than"),
        (name_no_file, "does not name the file: 'something is damaged'"),
        (give_no_hint, "not one line with a hint"),
        (accept, "WrongAcceptanceError at .*: it was read"),
        (leave, "SystemExit at"),
        (lambda path: {}["key"], "KeyError at"),
    ],
)
def test_reader_that_goes_wrong_in_one_case_is_told_with_the_case(misbehave, told, monkeypatch):
    monkeypatch.setattr(loop, "CASE_SECONDS", 0.5)

    def make(random: Random) -> Case:
        return Case(files={"file": b"x"}, is_mutation=True, call=random.randrange(10))

    def read(folder: Path, case: Case) -> None:
        if case.call == BAD:
            misbehave(folder / "file")
        raise InputError(f"{folder / 'file'} is damaged", hint="build it again")

    target = Target(name="test", make=make, read=read, named="file")
    bad = [number for number in range(30) if make(Random(f"test 0 {number}")).call == BAD]
    assert bad

    tally = run(target, seed=0, first=0, count=30)

    assert tally.cases == tally.mutations == 30
    assert tally.refused >= 30 - len(bad)
    assert len(tally.failures) == len(bad)
    for number in bad:
        repeat = f"python -m tests.fuzz test --seed 0 --first {number} --count 1$"
        assert any(re.search(f"{told}.*{repeat}", failure) for failure in tally.failures)
