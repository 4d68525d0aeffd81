"""The permissions of what a user gets: those of any program's new files and folders.

What is written through private temporary files and folders has to be opened up at the end.
"""

import os
from pathlib import Path

_STATUS = Path("/proc/self/status")


def open_up(path: Path) -> None:
    """Gives a file or folder, but not what is in it, all permissions that the umask leaves."""
    path.chmod((0o777 if path.is_dir() else 0o666) & ~umask())


def umask() -> int:
    """Returns the permissions that this process takes away from what it creates.

    Linux tells them; elsewhere they are known only by setting others for a moment.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    found = os.umask(0o077)
    os.umask(found)
    return found
