"""Starts processes that run nothing of the script that started them.

Python's way is to import the main script again in each of them, for functions that stand in it.
What runs here stands in modules; and a script that calls a flow without ``if __name__ ==
"__main__"`` would call it again in every process.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

_MAIN = "__main__"
_lock = threading.Lock()


@contextlib.contextmanager
def without_the_script() -> Iterator[None]:
    """Lets a process that starts in the block know nothing of the main script."""
    with _lock:  # flows may run in threads
        script = sys.modules[_MAIN]
        sys.modules[_MAIN] = ModuleType(_MAIN)
        try:
            yield
        finally:
            sys.modules[_MAIN] = script
