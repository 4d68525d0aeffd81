"""Fuzzes one reader: ``python -m tests.fuzz TARGET --seed 0 --first 0 --count 1000``.

Prints what became of the cases as one line of JSON; failures name the command that repeats them.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz import loop, targets


def main() -> None:
    """Runs the cases of one target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=targets.NAMES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        target = targets.make(chosen.target, Path(work))
        tally = loop.run(target, seed=chosen.seed, first=chosen.first, count=chosen.count)
    sys.stdout.write(f"{tally.to_json()}\n")


if __name__ == "__main__":
    main()
