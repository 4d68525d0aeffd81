"""Real signals to real processes."""

import signal
import subprocess
import sys

import pytest

from pipeline.running.interruption import GRACE_SECONDS, INTERRUPTED
from tests.command import ROOT

IN_NATIVE_CODE = """
import hashlib
import threading
from pipeline.running.interruption import end_on_signals

end_on_signals()
threading.Timer(1, lambda: print("ready", flush=True)).start()  # while the next call goes on
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # takes many minutes
"""
IN_PYTHON = """
import time
from pipeline.running.interruption import end_on_signals

end_on_signals()
try:
    print("ready", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    time.sleep(6)  # what is cleared away takes longer than native code is waited for
    print("cleared away")
"""


def heed_signals() -> None:
    """Undoes what nohup, and a shell that runs the tests in the background, have set."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(code: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, preexec_fn=heed_signals,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_during_a_long_native_call_ends_the_process(sent: signal.Signals) -> None:
    process = start(IN_NATIVE_CODE)
    process.send_signal(sent)
    try:
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == INTERRUPTED
    assert err == "pocketbert: interrupted (what was there before is as it was)\n"


def test_signal_that_python_hears_interrupts_and_gives_time_to_clear_away() -> None:
    process = start(IN_PYTHON)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "cleared away\n", "")


def test_signal_that_is_ignored_stays_so() -> None:
    code = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + IN_PYTHON
    process = start(code)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "cleared away\n")


def test_signal_of_somebody_else_ends_nothing() -> None:
    code = "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('heard'))\n" + IN_PYTHON
    process = start(code)
    process.send_signal(signal.SIGUSR1)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS + 3)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "heard\ncleared away\n")
