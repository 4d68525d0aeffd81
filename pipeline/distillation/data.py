"""Reads what a run trains on, whatever it learns, and tells the data of two runs apart."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.distillation.faults import Faults
from pipeline.distillation.objective import Learner, Objective
from pipeline.distillation.question_answering.data import read_span_objective, span_head
from pipeline.distillation.settings import Data, Settings
from pipeline.distillation.text_classification.data import read_text_objective, text_head

READERS: Mapping[str, Callable[[Data, Learner, Settings, Faults], Objective]] = {
    "ForQuestionAnswering": read_span_objective,
    "ForSequenceClassification": read_text_objective,
}
"""What reads a task's data, by how the architecture of its models ends: a row for each task that
a model can be trained for."""

HEADS: Mapping[str, Callable[[Data, str | None], dict[str, Any]]] = {
    "ForQuestionAnswering": span_head,
    "ForSequenceClassification": text_head,
}
"""What gives the fields of the configuration of a head that is yet to be trained, by its data."""

_FINGERPRINT_BYTES = 1 << 20


def read_objective(
    data: Data, learner: Learner, *, architecture: str, settings: Settings, faults: Faults
) -> Objective:
    """Returns what a run learns, from the data that it is given.

    Args:
        data: The files, and what is kept apart.
        learner: The model that learns.
        architecture: Of the head; it ends as one of ``READERS`` or is for pre-training.
        settings: Of the run.
        faults: Takes each example that cannot be used.

    Raises:
        InputError: A file is absent, empty or malformed.
    """
    if settings.mode == "pre-training":
        from pipeline.distillation.pre_training.masked_lm import MaskedLanguageObjective

        return MaskedLanguageObjective(
            data.paths,
            evaluation=data.evaluation,
            num_held_out=data.num_held_out,
            tokenizer=learner.tokenizer,
            batch_size=settings.batch_size,
            max_seq_len=settings.max_seq_len,
            seed=settings.seed,
        )
    read = next(READERS[suffix] for suffix in READERS if architecture.endswith(suffix))
    return read(data, learner, settings, faults)


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
