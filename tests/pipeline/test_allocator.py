"""Whether freed memory stays with a process; page faults tell, in a process of its own."""

import os
import platform
import subprocess
import sys

import pytest

from tests.command import ROOT

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the options are those of glibc"
)

NUM_ROUNDS, BLOCK_BYTES = 5, 64_000_000

CODE = """
import resource, threading
from pipeline.allocator import give_back_freed_memory, keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def fill():
    b"1" * {block_bytes}

{before}
threading.Thread(target=fill).start()
fill()
begin = faults()
for _ in range({rounds}):
    fill()
    {between}
print(faults() - begin)
"""


def count_faults(*, before: str = "", between: str = "pass") -> int:
    """Returns the pages that the system handed out while a block was filled again and again."""
    code = CODE.format(
        before=before, between=between, rounds=NUM_ROUNDS, block_bytes=BLOCK_BYTES
    )  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return int(done.stdout)


def test_freed_memory_that_is_kept_is_handed_out_once() -> None:
    assert 10 * count_faults(before="keep_freed_memory()") < count_faults()


def test_freed_memory_that_is_given_back_is_handed_out_again() -> None:
    kept = count_faults(before="keep_freed_memory()")
    given_back = count_faults(before="keep_freed_memory()", between="give_back_freed_memory()")
    assert 10 * kept < given_back
