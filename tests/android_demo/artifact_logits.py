"""Writes what the artifacts of a bundle make of questions here, to feed the apps' decoders."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters.values.artifact import Arrays, Artifact
from pipeline.bundle.open import Bundle, open_bundle
from pipeline.comparison import runtimes
from pipeline.on_device.question_answering.rules import SpanRules
from pipeline.on_device.question_answering.windows import best_answer, cut
from pipeline.on_device.row import Row
from pipeline.on_device.wordpiece import open_tokenizer, utf16_offsets
from pipeline.running.jobs import run_jobs

ANDROID = ("executorch", "litert")
IOS = ("executorch", "coreml-reference")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question, and the lengths that its windows are cut for."""

    question: str
    context: str
    seq_lens: tuple[int, ...]


def write(
    folder: Path, asked: Sequence[Asked], path: Path, *, names: Sequence[str] = ANDROID
) -> None:
    """Writes for each artifact the logits of every window, and the answers of Python's decoder.

    Args:
        folder: The bundle's.
        asked: All lengths are the artifacts'.
        path: Of the JSON file.
        names: Of the runtimes.
    """
    with open_bundle(folder) as opened:
        cuts = [_cut(opened, each) for each in asked]
        pairs, skipped = runtimes.choose(names, opened.artifacts)
        assert not skipped, skipped
        rows = [_row(window) for windows in cuts for window in windows]
        outcomes = run_jobs(
            [
                runtimes.job(artifact, runtime, _of(artifact, rows), num_threads=1, verb="run")
                for artifact, runtime in pairs
            ],
            max_parallel=2,
        )
        runs = [
            {
                "artifact": _name(opened, artifact),
                "answers": list(_answers(opened, asked, cuts, iter(outcome.get().outputs))),
            }
            for (artifact, _), outcome in zip(pairs, outcomes, strict=True)
        ]
    path.write_text(json.dumps({"runs": runs}, separators=(",", ":"), sort_keys=True) + "\n")


def _name(opened: Bundle, artifact: Artifact) -> str:
    return artifact.path.relative_to(opened.folder).as_posix()


def _cut(opened: Bundle, asked: Asked) -> list[Row]:
    tokenizer = open_tokenizer(opened.folder, opened.manifest.tokenizer)
    return cut(
        tokenizer.tokenize(asked.question),
        tokenizer.tokenize(asked.context),
        tokenizer=opened.manifest.tokenizer,
        rules=opened.manifest.read_rules(SpanRules),
        seq_lens=asked.seq_lens,
    )


def _row(window: Row) -> Arrays:
    names = ("input_ids", "attention_mask", "token_type_ids")
    return {name: np.array([getattr(window, name)], np.int32) for name in names}


def _of(artifact: Artifact, rows: Sequence[Arrays]) -> list[Arrays]:
    """Returns the inputs that an artifact takes, of each row."""
    names = [spec.name for spec in artifact.inputs]
    return [{name: row[name] for name in names} for row in rows]


def _answers(
    opened: Bundle,
    asked: Sequence[Asked],
    cuts: Sequence[list[Row]],
    outputs: Iterator[dict[str, np.ndarray]],
) -> Iterator[dict[str, Any]]:
    for each, windows in zip(asked, cuts, strict=True):
        logits = [{name: values[0] for name, values in next(outputs).items()} for _ in windows]
        answer = best_answer(
            each.context,
            windows,
            [own["start_logits"].tolist() for own in logits],
            [own["end_logits"].tolist() for own in logits],
            rules=opened.manifest.read_rules(SpanRules),
        )
        ((start, end),) = utf16_offsets(each.context, [(answer.start, answer.end)])
        yield {
            **vars(each),
            "windows": [
                {"input_ids": window.input_ids, **{name: _short(own[name]) for name in own}}
                for window, own in zip(windows, logits, strict=True)
            ],
            "answer": {
                "text": answer.text, "utf16_start": start, "utf16_end": end, "score": answer.score,
            },
        }  # fmt: skip


def _short(logits: np.ndarray) -> list[float]:
    """Returns the shortest decimals that are these 32-bit floats again when they are read."""
    return [float(str(logit)) for logit in logits]
