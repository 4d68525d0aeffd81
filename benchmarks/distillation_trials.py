"""Distils one teacher in several ways and compares what comes out: losses, depths, more updates.

Run it as ``python benchmarks/distillation_trials.py TEACHER --data new_wiki.json --data qamr/
--test xquad_en_dev.json --folder trials --json benchmarks/results/distillation.json``. Every trial
is a run of ``pocketbert distill`` from the teacher's own layers, for the same number of updates, by
the recipe of the embedded student but for what the trial's name says. The recipe is to be chosen by
the held-out questions, which are apart from the data; the test questions say what it comes to.

A trial whose result is in the JSON file is not run again, so that a long comparison may be stopped
and go on later, in the same folder. A picture is written beside the file.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from founding_table import score
from timing import describe_machine

from converters.values.errors import PocketBertError
from pipeline.evaluate import Scores
from pipeline.report.pictures import draw_svg

COMMON = ("--attention-dropout", "0", "--freeze-embeddings")
SETTINGS = ("steps", "batch_size", "max_seq_len", "learning_rate")
EVERY_LAYER = ("--align", "all", "--cosine-weight", "2")


@dataclass(frozen=True)
class Trial:
    """A way to distil.

    Attributes:
        name: For people.
        options: Of ``pocketbert distill``, beside those that all trials share.
        num_layers: Of the student.
        duration: Updates, as a multiple of what the others get.
    """

    name: str
    options: tuple[str, ...] = EVERY_LAYER
    num_layers: int = 4
    duration: int = 1


TRIALS = {
    "recipe": Trial("the embedded student's recipe"),
    "labels": Trial("labels alone", ("--soft-weight", "0", "--cosine-weight", "0")),
    "soft": Trial("labels and soft targets", ("--cosine-weight", "0")),
    "last": Trial("as the paper: direction of the last layer, too", ("--align", "last")),
    "teacher": Trial("without the labels", ("--hard-weight", "0", *EVERY_LAYER)),
    "no-dropout": Trial("without dropout", ("--dropout", "0", *EVERY_LAYER)),
    "2-layers": Trial("2 layers", num_layers=2),
    "3-layers": Trial("3 layers", num_layers=3),
    "5-layers": Trial("5 layers", num_layers=5),
    "longer": Trial("three times the updates", duration=3),
}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a trial came to; scores in percent.

    Attributes:
        held_out_f1: On the questions that were kept apart from the data.
        test_f1: On the test questions.
        test_exact_match: On the same.
    """

    trial: str
    name: str
    num_layers: int
    num_parameters: int
    steps: int
    held_out_f1: float
    test_f1: float
    test_exact_match: float
    seconds: float


def run_trial(key: str, options: argparse.Namespace) -> Result:
    """Distils a student in one way, and asks it the test questions."""
    trial = TRIALS[key]
    folder = options.folder / key
    steps = options.steps * trial.duration
    data = [argument for path in options.data for argument in ("--data", str(path))]
    command = [
        sys.executable, "-m", "pipeline", "distill", "--teacher", str(options.teacher), *data,
        "-o", str(folder), "--layers", str(trial.num_layers), "--steps", str(steps),
        "--batch-size", str(options.batch_size), "--max-seq-len", str(options.max_seq_len),
        "--learning-rate", str(options.learning_rate), "--held-out", str(options.held_out),
        "--eval-every", str(steps), *COMMON, *trial.options,
    ]  # fmt: skip
    training = folder / "training"
    if not (training / "result.json").exists():  # else it was stopped before the questions
        resume = ["--resume"] if training.exists() else []
        finished = subprocess.run([*command, *resume], stdout=subprocess.DEVNULL, check=False)
        if finished.returncode:
            sys.exit(f"the trial {key!r} ended with exit code {finished.returncode}")
    run = json.loads((training / "run.json").read_text(encoding="utf-8"))
    asked = vars(options) | {"steps": steps}
    if any(run[name] != asked[name] for name in SETTINGS):
        sys.exit(f"{folder} holds a trial of other options: name another --folder")
    distilled = json.loads((training / "result.json").read_text(encoding="utf-8"))
    test = _ask(folder, options)
    return Result(
        trial=key,
        name=trial.name,
        num_layers=trial.num_layers,
        num_parameters=distilled["num_parameters"],
        steps=steps,
        held_out_f1=distilled["scores"]["f1"],
        test_f1=test.values["f1"],
        test_exact_match=test.values["exact_match"],
        seconds=distilled["seconds"],
    )


def _ask(model: Path, options: argparse.Namespace) -> Scores:
    return score(model, data=options.test, limit=options.limit, num_threads=torch.get_num_threads())


def make_table(figures: dict[str, Any]) -> str:
    """Returns the results in Markdown."""
    teacher = figures["teacher"]
    head = ["trial", "layers", "updates", "held-out F1", "exact match", "F1", "F1 kept"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines.append(
        ["the teacher", "", "", "", f"{teacher['exact_match']:.1f}", f"{teacher['f1']:.1f}", ""]
    )
    for each in figures["results"]:
        kept = 100 * each["test_f1"] / teacher["f1"] if teacher["f1"] else 0.0
        lines.append([
            each["name"], str(each["num_layers"]), str(each["steps"]),
            f"{each['held_out_f1']:.1f}", f"{each['test_exact_match']:.1f}",
            f"{each['test_f1']:.1f}", f"{kept:.1f} %",
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def make_picture(figures: dict[str, Any]) -> str:
    """Returns bars of held-out and test F1 as SVG, the trials from top to bottom."""
    results: Sequence[dict[str, Any]] = figures["results"][::-1]
    places = range(len(results))

    def draw(axes: Any) -> None:
        for shift, field, label in (
            (0.2, "held_out_f1", "held-out questions"),
            (-0.2, "test_f1", "test questions"),
        ):
            heights = [each[field] for each in results]
            axes.barh([place + shift for place in places], heights, height=0.4, label=label)
        axes.axvline(figures["teacher"]["f1"], color="black", label="teacher, test questions")
        axes.set_yticks(places, [each["name"] for each in results])
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1))

    return draw_svg(draw, xlabel="F1")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the results of all trials, those of earlier runs first."""
    figures: dict[str, Any] = {
        "machine": describe_machine(),
        "options": {name: getattr(options, name) for name in (*SETTINGS, "held_out")},
        "teacher": None,
        "results": [],
    }
    if options.json and options.json.exists():
        kept = json.loads(options.json.read_text(encoding="utf-8"))
        if kept["options"] != figures["options"]:
            sys.exit(f"{options.json} holds trials of other options: name another file")
        figures = kept
    if figures["teacher"] is None:
        figures["teacher"] = dict(_ask(options.teacher, options).values)
    done = {each["trial"] for each in figures["results"]}
    for key in options.trials:
        if key not in done:
            figures["results"].append(asdict(run_trial(key, options)))
            if options.json:
                options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return figures


def main() -> None:
    """Prints a table, and writes a JSON file and a picture where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("teacher", metavar="TEACHER", type=Path, help="a model's folder")
    parser.add_argument("--data", type=Path, action="append", required=True, help="repeatable")
    parser.add_argument("--test", type=Path, required=True, metavar="SQUAD.json")
    parser.add_argument("--limit", type=int, help="use only the first test questions")
    parser.add_argument("--folder", type=Path, required=True, help="for the students")
    parser.add_argument("--trials", nargs="+", choices=TRIALS, default=list(TRIALS))
    parser.add_argument("--steps", type=int, default=400, help="updates of a trial")
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--max-seq-len", type=int, default=288)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--held-out", type=int, default=400, help="questions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="a picture is written beside it")
    options = parser.parse_args()
    try:
        figures = measure(options)
    except PocketBertError as err:
        sys.exit(f"{err.message} ({err.hint})")
    print(make_table(figures))  # noqa: T201
    if options.json:
        options.json.with_suffix(".svg").write_text(make_picture(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
