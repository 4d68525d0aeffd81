"""Measures a teacher and its students as the paper of DistilBERT does: size, answers, speed.

Run it with ``python benchmarks/founding_table.py TEACHER [STUDENT]... --data SQUAD.json``; without
a student it takes the one inside the package. It prints a Markdown table. Answers are scored as
``pocketbert eval`` does; latencies are those of PyTorch in fp32 on full rows of one length, batch
1, all models taking turns in one run. BERT-base and DistilBERT-base stand below with random
weights, which are as fast as trained ones, and beside them what the paper says.

Source: Sanh et al. 2019 (arXiv 1910.01108), tables 1 to 3.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from timing import describe_machine, ratio, time_in_turns, write_figures
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    DistilBertConfig,
    DistilBertForQuestionAnswering,
    PreTrainedModel,
)

from converters.values.errors import PocketBertError
from pipeline.benchmark.turns import Spread, spread
from pipeline.comparison.runtimes import PYTORCH
from pipeline.evaluate import Scores, evaluate
from pipeline.running.progress import Progress
from pipeline.running.run import Run
from pipeline.student.load import input_names, load

PAPER = (
    ("BERT-base, in the paper", "110", ("81.2", "88.5", ""), "1"),
    ("DistilBERT-base, in the paper", "66 (-40 %)", ("79.1", "86.9", "98.2 %"), "1.63"),
)
"""Table 3: 66 and 110 million parameters, and 410 s in place of 668, which the authors round to
60 % faster. Table 2: SQuAD 1.1, the student with a second distillation."""

PAPER_REMARK = (
    "In the paper: answers on the SQuAD 1.1 dev set, distilled a second time on SQuAD; "
    "97 % of BERT-base kept on GLUE (77.0 of 79.5); speed of a pass over STS-B on a CPU, batch 1."
)

BERT_BASE = "BERT-base, random weights"
NUM_WARM_UP = 2


@dataclass(frozen=True, kw_only=True)
class Row:
    """A model of the table.

    Attributes:
        name: For people.
        base: The model that it is compared with; a teacher's is itself.
        num_parameters: All, embeddings too.
        latency_ms: Of one row, batch 1.
        speed_up: The base's time for one of its own, turn by turn.
        score: Nothing where no answers were scored.
    """

    name: str
    base: str
    num_parameters: int
    latency_ms: Spread
    speed_up: Spread
    score: Scores | None


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each model, the teacher first."""
    torch.set_num_threads(options.threads)
    teacher = load(options.teacher)
    students = [load(each) for each in options.students or [None]]
    given = {f"{teacher.name}, teacher": teacher} | {each.name: each for each in students}
    if len(given) <= len(students):
        sys.exit("two of the students have one name: rename the folder of one")
    scores = {}
    if options.data:
        scores = {
            name: score(
                each.folder, data=options.data, limit=options.limit, num_threads=options.threads
            )
            for name, each in given.items()
        }
    torch.manual_seed(0)
    networks = {name: each.model for name, each in given.items()} | {
        BERT_BASE: BertForQuestionAnswering(BertConfig()),
        "DistilBERT-base, random weights": DistilBertForQuestionAnswering(DistilBertConfig()),
    }
    calls = {name: _call(network, options.seq_len) for name, network in networks.items()}
    time_in_turns(calls, num_repetitions=NUM_WARM_UP)
    times_ms = time_in_turns(calls, num_repetitions=options.repetitions)
    bases = dict.fromkeys(given, next(iter(given)))
    rows = []
    for name, network in networks.items():
        base = bases.get(name, BERT_BASE)
        rows.append(
            Row(
                name=name,
                base=base,
                num_parameters=sum(each.numel() for each in network.parameters()),
                latency_ms=spread(times_ms[name]),
                speed_up=ratio(times_ms=times_ms[base], base_ms=times_ms[name]),
                score=scores.get(name),
            )
        )
    return rows


def score(model: Path, *, data: Path, limit: int | None, num_threads: int) -> Scores:
    """Returns what `pocketbert eval` gives a model in PyTorch.

    Args:
        model: Its folder.
        data: Labelled questions.
        limit: How many of them to use; nothing means all.
        num_threads: Of PyTorch.
    """
    found = evaluate(
        str(model),
        data=data,
        limit=limit,
        named_reference=None,
        run=Run(num_threads=num_threads, progress=Progress()),
    )
    return found.scores[PYTORCH]


def _call(network: PreTrainedModel, seq_len: int) -> Callable[[], object]:
    """Returns a function that runs a network on one full row."""
    network.eval().set_attn_implementation("sdpa")  # what Transformers takes by itself
    ids = torch.randint(network.config.vocab_size, (1, seq_len))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "token_type_ids" in input_names(network.config):
        inputs["token_type_ids"] = torch.zeros_like(ids)

    @torch.inference_mode()
    def call() -> object:
        return network(**inputs)

    return call


def make_table(rows: list[Row], options: argparse.Namespace) -> str:
    """Returns the table in Markdown."""
    by_name = {row.name: row for row in rows}
    answers = ("exact match", "F1", "F1 kept") if options.data else ()
    latency = f"ms at {options.seq_len} tokens"
    head = ["model", "parameters, M", "MB in fp16", *answers, latency, "speed-up"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for row in rows:
        base = by_name[row.base]
        change = 100 * (row.num_parameters / base.num_parameters - 1)
        lines.append(
            [
                row.name,
                f"{row.num_parameters / 1e6:.1f}" + f" ({change:+.0f} %)" * (row is not base),
                f"{2 * row.num_parameters / 1e6:.1f}",
                *(_answers(row, base) if answers else ()),
                f"{row.latency_ms.median:.1f}",
                "1" if row is base else f"{row.speed_up:.2f}",
            ]
        )
    for name, parameters, paper_answers, speed_up in PAPER:
        shown = paper_answers if answers else ()
        lines.append([name, parameters, "", *shown, "", speed_up])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _answers(row: Row, base: Row) -> tuple[str, str, str]:
    if row.score is None or base.score is None:
        return "", "", ""
    is_comparable = row is not base and base.score.values["f1"] > 0
    kept = (
        f"{100 * row.score.values['f1'] / base.score.values['f1']:.1f} %" if is_comparable else ""
    )
    return f"{row.score.values['exact_match']:.1f}", f"{row.score.values['f1']:.1f}", kept


def remarks(rows: list[Row], options: argparse.Namespace) -> list[str]:
    """Returns what belongs under the table."""
    machine, scored = describe_machine(), rows[0].score
    return [
        f"Latency in PyTorch {machine['torch']}, fp32, batch 1, threads: {machine['threads']}, on "
        f"{machine['usable_cores']} of {machine['cores']} cores of {machine['cpu']}: the median of "
        f"{options.repetitions} repetitions in turns; speed-up turn by turn, with quartiles.",
        f"Answers to the {scored.count} questions of {options.data.name}, as `pocketbert eval`."
        if scored
        else "Answers were not scored, because no --data was given.",
        PAPER_REMARK,
    ]


def main() -> None:
    """Prints a table, and writes a JSON file where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("teacher", metavar="TEACHER", help="a folder or a Hub id")
    parser.add_argument("students", metavar="STUDENT", nargs="*", help="the embedded one if none")
    parser.add_argument("--data", type=Path, metavar="SQUAD.json", help="labelled questions")
    parser.add_argument("--limit", type=int, help="use only the first questions")
    parser.add_argument("--seq-len", type=int, default=384, help="tokens, for the latency")
    parser.add_argument("--repetitions", type=int, default=30, help="of the latency, two or more")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of PyTorch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for all the figures")
    options = parser.parse_args()
    try:
        rows = measure(options)
    except PocketBertError as err:
        sys.exit(f"{err.message} ({err.hint})")
    print(make_table(rows, options), *remarks(rows, options), sep="\n\n")  # noqa: T201
    if options.json:
        write_figures(options.json, rows)


if __name__ == "__main__":
    main()
