"""Text of others on its way to a terminal, where it must not move the cursor or change a line.

File names, manifests, tensor names and the errors of libraries may hold what a terminal obeys, such
as an escape that writes PASS over a failure.
"""

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

_OBEYED = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but tab and newline
    "\u2028\u2029"  # ends of lines
    "\u202a-\u202e\u2066-\u2069"  # what follows is shown in another order than it is written in
)
_IN_LINES = re.compile(f"[{_OBEYED}]")
_IN_A_LINE = re.compile(f"[{_OBEYED}\n]")


def one_line(text: str) -> str:
    """Returns a text that a terminal shows and does not obey, in one line.

    What it would obey is written as JSON escapes it: in a JSON string it means the same.
    """
    return _IN_A_LINE.sub(_escaped, text)


def lines(text: str) -> str:
    """Returns the same of a text of several lines."""
    return _IN_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


class Terminal(Console):
    """Prints with colors of ours, and with nothing that a terminal would obey in what is printed.

    A string is one line.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Returns a string of a line or a cell as Rich shows it."""
        return super().render_str(one_line(text), **options)

    def on_broken_pipe(self) -> None:
        """Lets the error through, where Rich would end the process."""
        raise BrokenPipeError


@contextlib.contextmanager
def warnings_in_plain_text() -> Iterator[None]:
    """Keeps what a terminal obeys out of what libraries log and warn of while the block runs."""
    make_record, format_warning = logging.getLogRecordFactory(), warnings.formatwarning

    def make_plain_record(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = make_record(*arguments, **named)
        record.msg, record.args = lines(record.getMessage()), ()
        return record

    def format_plain_warning(*arguments: Any, **named: Any) -> str:
        return lines(format_warning(*arguments, **named))

    logging.setLogRecordFactory(make_plain_record)
    warnings.formatwarning = format_plain_warning
    try:
        yield
    finally:
        logging.setLogRecordFactory(make_record)
        warnings.formatwarning = format_warning
