"""Reads what a run trains on, for either mode, and tells the data of two runs apart."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults
from pipeline.distillation.question_answering.qamr import QamrSource, is_qamr
from pipeline.distillation.question_answering.span_objective import SpanObjective
from pipeline.distillation.question_answering.squad_data import (
    LabelledSpans,
    SquadSource,
    hold_out,
    read_labelled_spans,
)
from pipeline.distillation.settings import Data, Settings
from pipeline.tasks import question_answering
from pipeline.tasks.examples import sort_out
from pipeline.tasks.question_answering.squad import Example, Question, read_squad

if TYPE_CHECKING:
    from pipeline.distillation.objective import Objective
    from pipeline.distillation.question_answering.rows import Source

_FINGERPRINT_BYTES = 1 << 20


def read_objective(
    data: Data, *, tokenizer: Tokenizer, settings: Settings, faults: Faults
) -> "Objective":
    """Returns what a run learns, from the data that it is given.

    Args:
        data: The files, and what is kept apart.
        tokenizer: The teacher's, and the student's.
        settings: Of the run.
        faults: Told of each example that cannot be used.

    Raises:
        InputError: A file is absent, empty or malformed.
    """
    if settings.mode == "pre-training":
        from pipeline.distillation.masked_lm import MaskedLanguageObjective

        return MaskedLanguageObjective(
            data.paths,
            evaluation=data.evaluation,
            num_held_out=data.num_held_out,
            tokenizer=tokenizer,
            batch_size=settings.batch_size,
            max_seq_len=settings.max_seq_len,
            seed=settings.seed,
        )
    return _span_objective(data, tokenizer, settings, faults)


def _span_objective(
    data: Data, tokenizer: Tokenizer, settings: Settings, faults: Faults
) -> SpanObjective:
    examples: list[LabelledSpans] = []
    sources: list[Source] = []
    for path in data.paths:
        if is_qamr(path):
            sources.append(QamrSource(path, tokenizer=tokenizer, faults=faults))
        else:
            examples += read_labelled_spans(path, faults)
    held_out: Sequence[Example]
    if data.evaluation is not None:
        held_out = read_squad(data.evaluation)
    else:
        examples, held_out = hold_out(examples, num_questions=data.num_held_out)
    if not held_out:
        raise InputError(
            "there are no questions to judge the student by",
            hint="give --eval-data, or a --held-out part of the SQuAD files among --data",
        )
    judged = _judged(held_out, tokenizer, faults, source=data.evaluation or "the held-out part")
    if examples:
        sources.append(SquadSource(examples, tokenizer))
    return SpanObjective(
        sources,
        held_out=judged,
        tokenizer=tokenizer,
        batch_size=settings.batch_size,
        max_seq_len=settings.max_seq_len,
        seed=settings.seed,
    )


def _judged(
    held_out: Sequence[Example], tokenizer: Tokenizer, faults: Faults, *, source: object
) -> list[Question]:
    """Returns the questions that a student can be judged by, and tells of the others."""
    found = sort_out(held_out, task=question_answering, tokenizer=tokenizer)
    for each in found.unreadable:
        faults.add(f"{source}, question {each.id!r}: {each.reason}")
    for question in found.readable:
        if not question.answers:
            faults.add(f"{source}, question {question.id!r}: it has no answer to judge by")
    return [question for question in found.readable if question.answers]


def list_files(path: Path) -> list[Path]:
    """Returns the files that a path among the data stands for."""
    return sorted(path.glob("*.tsv")) if path.is_dir() else [path]


def fingerprint(path: Path) -> str:
    """Returns the sha256 of a file's size, beginning and end: a corpus may be very large."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, 2)
        digest.update(str(size).encode())
        for begin in (0, max(0, size - _FINGERPRINT_BYTES)):
            file.seek(begin)
            digest.update(file.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()
