"""Measures our artifacts beside what else one would run the student with, and draws it.

Run it as ``python benchmarks/peers.py --threads 1 --json benchmarks/results/peers.json``. It takes
the student inside the package and a model of DistilBERT-base's size, ours in fp32 and int8, and all
peers of `pocketbert bench --peers`, each in a process of its own, call by call in turns. Then it
measures int8 over the number of layers. It prints Markdown tables, and writes pictures beside the
JSON file. ``--optimum-python`` names the Python of an environment with optimum-executorch:
``pip install optimum-executorch==1.1.0 executorch==1.4.1 torch==2.13.0 torchao==0.18.0``.
"""

# Every contestant's process imports this module again before it imports its own runtime: what stood
# here would count as that runtime's memory.
import argparse
import json
import sys
from pathlib import Path


def main() -> None:
    """Prints tables, and writes a JSON file and pictures where one is named."""
    from peer_contest import measure

    from converters.values.errors import PocketBertError
    from pipeline.benchmark.turns import REPETITIONS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    about = "a folder, a Hub id, embedded or base; the last two if none"
    parser.add_argument("models", metavar="MODEL", nargs="*", help=about)
    parser.add_argument("--seq-lens", type=int, nargs="+", default=[64, 128, 256, 384])
    parser.add_argument("--layers", type=int, nargs="*", default=[1, 2, 4, 6])
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="two or more")
    parser.add_argument("--threads", type=int, default=1, help="of each runtime")
    parser.add_argument("--optimum-python", type=Path, metavar="PYTHON")
    parser.add_argument("--json", type=Path, metavar="FILE", help="pictures are written beside it")
    options = parser.parse_args()
    try:
        figures = measure(options)
    except PocketBertError as err:
        sys.exit(f"{err.message} ({err.hint})")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
