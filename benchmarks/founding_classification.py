"""The founding table of DistilBERT on encoders of twelve layers and their students of six.

Run it with ``python benchmarks/founding_classification.py --data DATA --folder RUNS``. For each
encoder and each set it fine-tunes the encoder, makes a student of every second layer, and distils
it, by the project's own commands; then it scores both on rows that neither has learned from, and
times one pass over all of these rows. What is there in the folder is not done again, and a run that
was stopped goes on: call it again. It prints a Markdown table; ``--json`` and ``--picture`` write
files.

Source: Sanh et al. 2019 (arXiv 1910.01108), tables 1 and 3.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from encoders import ENCODERS, fetch
from founding_sets import SETS, write
from matplotlib.figure import Figure
from timing import describe_machine

from pipeline.comparison.runtimes import PYTORCH
from pipeline.evaluate import evaluate
from pipeline.running.progress import Progress
from pipeline.running.run import Run
from pipeline.student.load import Student, load
from pipeline.tasks.examples import sort_out

PAPER = {"fewer_parameters": 40.0, "kept": 97.0, "seconds": (668, 410)}
"""Per cent of BERT-base's parameters that are gone, and of its score on GLUE that is kept; seconds
of both for a pass over STS-B on a CPU, batch 1."""

STUDENT_LAYERS = 6
MAX_SEQ_LEN = 128


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A teacher and its student on one set.

    Attributes:
        metric: The name of the figure that is compared.
        teacher: The teacher's, in per cent.
        student: The student's.
        count: Rows that both are judged by.
    """

    encoder: str
    name: str
    metric: str
    teacher: float
    student: float
    count: int

    @property
    def kept(self) -> float:
        """The share of the teacher's figure that the student has, in per cent."""
        return 100 * self.student / self.teacher if self.teacher > 0 else float("nan")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a teacher and its students cost.

    Attributes:
        teacher_parameters: Of one model, with the head of the first set.
        student_parameters: The same.
        teacher_seconds: Of one pass over the judged rows of all sets, batch 1.
        student_seconds: The same, row by row in turns with the teacher.
        num_rows: Rows of that pass.
    """

    encoder: str
    teacher_parameters: int
    student_parameters: int
    teacher_seconds: float
    student_seconds: float
    num_rows: int


def measure(options: argparse.Namespace) -> tuple[list[Pair], list[Sizes]]:
    """Trains what is not there yet, and returns what was measured."""
    pairs, sizes = [], []
    for encoder in options.encoders:
        source = fetch(encoder, options.folder / "encoders" / encoder)
        for name in options.sets:
            pairs.append(_pair(encoder, source, name, options))
            print(_line(pairs[-1]), file=sys.stderr, flush=True)  # noqa: T201
        sizes.append(_sizes(encoder, options))
    return pairs, sizes


def _pair(encoder: str, source: Path, name: str, options: argparse.Namespace) -> Pair:
    place = _place(options, encoder, name)
    train, dev = write(
        name, data=options.data, folder=options.folder / "sets" / name, limit=options.limit
    )
    shared = (
        "--data", train, "--held-out", options.held_out, "--epochs", options.epochs,
        "--batch-size", options.batch_size, "--max-seq-len", MAX_SEQ_LEN,
        "--mixed-precision", options.mixed_precision, "--save-every", 50,
    )  # fmt: skip
    teacher, student = place / "teacher", place / "student"
    _train(
        teacher, "finetune", source, "--task", "text-classification",
        "--problem-type", SETS[name].problem_type, *shared,
        "--learning-rate", options.learning_rate,
    )  # fmt: skip
    _train(
        student, "distill", "--teacher", teacher, "--layers", STUDENT_LAYERS, *shared,
        "--learning-rate", options.student_learning_rate,
    )  # fmt: skip
    scores = [_score(model, dev, options) for model in (teacher, student)]
    metric = next(iter(scores[0]["values"]))
    return Pair(
        encoder=encoder,
        name=name,
        metric=metric,
        teacher=scores[0]["values"][metric],
        student=scores[1]["values"][metric],
        count=scores[0]["count"],
    )


def _place(options: argparse.Namespace, encoder: str, name: str) -> Path:
    place: Path = options.folder / encoder / name
    return place


def _train(folder: Path, command: str, *arguments: object) -> None:
    """Runs a command to its end, from where it was stopped; no more where it has ended."""
    training = folder / "training"
    if (training / "result.json").is_file():
        return
    goes_on = ["--resume"] * (training / "run.json").is_file()
    words = [sys.executable, "-m", "pocketbert", command, *map(str, arguments), "-o", str(folder)]
    done = subprocess.run([*words, *goes_on], stdout=sys.stderr, check=False)
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}: mend what it says, and call again")


def _score(model: Path, dev: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Returns what ``pocketbert eval`` gives a model in PyTorch; kept beside it."""
    kept = model.with_suffix(".json")
    if not kept.is_file():
        found = evaluate(
            str(model),
            data=dev,
            limit=None,
            named_reference=None,
            run=Run(num_threads=options.threads, progress=Progress()),
        )
        kept.write_text(json.dumps(asdict(found.scores[PYTORCH])), encoding="utf-8")
    scores: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return scores


def _sizes(encoder: str, options: argparse.Namespace) -> Sizes:
    """Returns the sizes, and the times of one pass, of an encoder's teachers and students."""
    parameters: list[int] = []
    seconds = [0.0, 0.0]
    num_rows = 0
    for name in options.sets:
        place = _place(options, encoder, name)
        models = [load(str(place / part)) for part in ("teacher", "student")]
        parameters = parameters or [each.model.num_parameters() for each in models]
        teacher = models[0]
        given = teacher.task.read_examples(options.folder / "sets" / name / "dev.jsonl")
        found = sort_out(given, task=teacher.task, tokenizer=teacher.tokenizer)
        for example in found.readable[: options.timed]:
            for which, model in enumerate(models):
                seconds[which] += _seconds(model, example, is_warm=num_rows > 0)
            num_rows += 1
    return Sizes(
        encoder=encoder,
        teacher_parameters=parameters[0],
        student_parameters=parameters[1],
        teacher_seconds=seconds[0],
        student_seconds=seconds[1],
        num_rows=num_rows,
    )


@torch.inference_mode()
def _seconds(model: Student, example: Any, *, is_warm: bool) -> float:
    """Returns how long a model takes for a row without padding, batch 1."""
    ids = model.tokenizer.encode(*example.texts.values())
    names = {"input_ids": ids.ids, "attention_mask": ids.attention_mask,
             "token_type_ids": ids.type_ids}  # fmt: skip
    inputs = {name: torch.tensor([names[name][:MAX_SEQ_LEN]]) for name in model.input_names}
    if not is_warm:
        model.model(**inputs)
    begin = time.perf_counter()
    model.model(**inputs)
    return time.perf_counter() - begin


def _line(pair: Pair) -> str:
    return (
        f"{pair.encoder}, {pair.name}: {pair.metric} {pair.teacher:.1f} and {pair.student:.1f}, "
        f"{pair.kept:.1f} % kept"
    )


def table(pairs: list[Pair], sizes: list[Sizes]) -> Iterator[str]:
    """Yields the lines of a table in Markdown."""
    yield "| encoder | set | figure | teacher | student | kept |"
    yield "| --- | --- | --- | ---: | ---: | ---: |"
    for pair in pairs:
        title = f"{pair.name}: {SETS[pair.name].title}, {pair.count} rows"
        figures = f"{pair.teacher:.1f} | {pair.student:.1f} | {pair.kept:.1f} %"
        yield f"| {pair.encoder} | {title} | {pair.metric} | {figures} |"
    yield ""
    yield "| encoder | parameters, M | student's | MB in fp16 | a pass, s | student's | kept |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for size in sizes:
        own = [pair.kept for pair in pairs if pair.encoder == size.encoder]
        fewer = 100 * (1 - size.student_parameters / size.teacher_parameters)
        faster = 100 * (size.teacher_seconds / size.student_seconds - 1)
        yield (
            f"| {size.encoder} | {size.teacher_parameters / 1e6:.1f} | "
            f"{size.student_parameters / 1e6:.1f} (-{fewer:.0f} %) | "
            f"{2 * size.student_parameters / 1e6:.1f} | {size.teacher_seconds:.1f} | "
            f"{size.student_seconds:.1f} ({faster:+.0f} %) | {sum(own) / len(own):.1f} % |"
        )
    before, after = PAPER["seconds"]
    yield (
        f"| BERT-base, in the paper | 110 | 66 (-{PAPER['fewer_parameters']:.0f} %) |  | "
        f"{before} | {after} (+{100 * (before / after - 1):.0f} %) | {PAPER['kept']:.0f} % |"
    )


def draw(pairs: list[Pair], path: Path) -> None:
    """Draws the share that each student keeps, beside the paper's."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    encoders = list(dict.fromkeys(pair.encoder for pair in pairs))
    names = list(dict.fromkeys(pair.name for pair in pairs))
    width = 0.8 / len(encoders)
    for place, encoder in enumerate(encoders):
        kept = {pair.name: pair.kept for pair in pairs if pair.encoder == encoder}
        axes.bar([names.index(name) + place * width for name in kept], list(kept.values()),
                 width=width, label=encoder)  # fmt: skip
    axes.axhline(PAPER["kept"], color="black", linestyle="--", label="the paper, on GLUE")
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(names))], names)
    axes.set_ylabel("of the teacher's figure, %")
    axes.set_ylim(bottom=max(0, min(pair.kept for pair in pairs) - 5))
    axes.legend(loc="lower right")
    figure.savefig(path)


def main() -> None:
    """Prints a table, and writes what is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder with all sets")
    parser.add_argument("--folder", type=Path, required=True, help="of all runs")
    parser.add_argument("--encoders", nargs="+", choices=ENCODERS,
                        default=["bert-base-uncased", "bge-small-en-v1.5"])  # fmt: skip
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--limit", type=int, help="rows to train on, of each set")
    parser.add_argument("--held-out", type=int, default=300, help="to choose a step by")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-5, help="of teachers")
    parser.add_argument("--student-learning-rate", type=float, default=1e-4)
    parser.add_argument("--mixed-precision", choices=("no", "bf16"), default="no")
    parser.add_argument("--timed", type=int, help="rows of each set that are timed; all")
    parser.add_argument("--threads", type=int, default=1, help="of scores and times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for all the figures")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="of what is kept")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pairs, sizes = measure(options)
    print(*table(pairs, sizes), sep="\n")  # noqa: T201
    if options.json:
        figures = {
            "machine": describe_machine(),
            "pairs": [{**asdict(pair), "kept": pair.kept} for pair in pairs],
            "sizes": [asdict(size) for size in sizes],
        }
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if options.picture:
        draw(pairs, options.picture)


if __name__ == "__main__":
    main()
