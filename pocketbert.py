"""The command line's own entrance: ``pocketbert``, and ``python -m pocketbert``.

``pipeline`` and ``converters`` are names that a user's own folder may hold, too. Python looks there
first under ``-m``, and ``accelerate launch`` adds the folder to PYTHONPATH. So this module has a
name of its own, and sees to it that both packages are those that lie beside it.
"""

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

_PACKAGES = ("pipeline", "converters")


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    # Workers get this process's path; what they import before that comes from no user's folder.
    sys.path[:] = [folder for folder in sys.path if not _holds_namesakes(folder)]
    os.environ["PYTHONSAFEPATH"] = "1"
    from pipeline.commands.app import main as run

    run()


def _holds_namesakes(folder: str) -> bool:
    """Returns whether a folder of Python's path has another package or module of these names."""
    own = Path(__file__).resolve().parent
    for name in _PACKAGES:
        found = PathFinder.find_spec(name, [folder])
        origin = None if found is None else found.origin
        if origin is not None and Path(origin).resolve() != own / name / "__init__.py":
            return True
    return False


if __name__ == "__main__":
    main()
