"""Ends a command when it is told to, whatever it is at."""

import os
import signal
import threading
from collections.abc import Set
from types import FrameType

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C, a signal to terminate or a closed terminal ended."""

GRACE_SECONDS = 3.0
"""How long native code may keep Python from hearing a signal."""


def end_on_signals() -> None:
    """Lets SIGTERM and SIGHUP interrupt this process as Ctrl-C does, and all three end it for sure.

    Python hears a signal between two steps of its own, so a native call that takes minutes would
    put it off as long. A thread, which the system tells, ends the process then: what is half done
    goes with the next command, and workers end with their caller. A signal that is ignored, as
    SIGHUP is under nohup, stays so. To be called once, from the main thread.
    """
    is_heard = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        is_heard.set()
        raise KeyboardInterrupt

    heeded = set()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, interrupt)
            heeded.add(number)
    told, teller = os.pipe()
    os.set_blocking(teller, False)
    signal.set_wakeup_fd(teller, warn_on_full_buffer=False)
    threading.Thread(target=_end_if_unheard, args=(told, heeded, is_heard), daemon=True).start()


def _end_if_unheard(told: int, heeded: Set[int], is_heard: threading.Event) -> None:
    while True:
        # The system tells of all signals for which somebody has a handler.
        if os.read(told, 1)[0] not in heeded:
            continue
        if not is_heard.wait(GRACE_SECONDS):
            os.write(2, b"pocketbert: interrupted (what was there before is as it was)\n")
            os._exit(INTERRUPTED)
        is_heard.clear()
