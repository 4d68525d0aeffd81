"""Every error that PocketBERT raises on purpose, and the exit code that each one ends with.

PocketBertError
├── GateError            1   an artifact was built or read, and failed a check
├── InputError           2   the input or the call was wrong
├── MissingPackageError  3   something needed is not installed
└── StorageError         4   disk full, read-only, or no permission
"""

import errno
import os

_STORAGE = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
}  # fmt: skip
_PATHS = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP}


class PocketBertError(Exception):
    """An error with one line of what failed, a hint of what to do, and an exit code."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the hint when the error crosses a process boundary."""
        return _rebuild, (type(self), self.message, self.hint)


class GateError(PocketBertError):
    """An artifact failed a gate: parity, audit, budget or checksum."""

    exit_code = 1


class InputError(PocketBertError, ValueError):
    """What the caller gave is wrong."""

    exit_code = 2


class MissingPackageError(PocketBertError, ImportError):
    """An optional package is needed and absent; the hint is the line that installs it."""

    exit_code = 3


class StorageError(PocketBertError, OSError):
    """The disk is full, read-only, or closed to this user."""

    exit_code = 4


def storage_error(err: BaseException) -> StorageError | None:
    """Returns what a system's error says of disks and permissions; None if it is another."""
    if not isinstance(err, OSError):
        # Libraries in C++ and Rust tell of a full disk in errors of their own, in these words.
        full = os.strerror(errno.ENOSPC)
        return storage_error(OSError(errno.ENOSPC, full)) if full in str(err) else None
    if err.errno not in _STORAGE:
        return None
    where = f" {err.filename}" if err.filename else ""
    return StorageError(
        f"cannot read or write{where}: {os.strerror(err.errno)}",
        hint="free some space, get permission, or choose another folder",
    )


def path_error(err: BaseException) -> InputError | None:
    """Returns what a system's error says of a path that cannot be; None if it is another."""
    if not isinstance(err, OSError) or err.errno not in _PATHS:
        return None
    return InputError(f"no such path {err.filename}: {os.strerror(err.errno)}", hint="check it")


def first_line(err: BaseException) -> str:
    """Returns the first line of what an error says, or its kind if it says nothing."""
    return (str(err).strip() or type(err).__name__).splitlines()[0]


def _rebuild(kind: type[PocketBertError], message: str, hint: str) -> PocketBertError:
    return kind(message, hint=hint)
