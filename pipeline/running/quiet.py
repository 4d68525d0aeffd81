"""Keeps transformers' own words from the terminal."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.running.one_at_a_time import ALONE


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Switches off the library's progress bars and warnings, and on again: one thread at a time."""
    from transformers.utils import logging as words

    with ALONE:
        before = words.get_verbosity()
        words.set_verbosity(logging.CRITICAL)
        words.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            words.enable_progress_bar()  # type: ignore[no-untyped-call]
            words.set_verbosity(before)
