"""Distillation as a list of stages: load the teacher, make a student, read the data, train."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from converters import install_line, missing_packages
from pipeline.distillation.checkpoints import RunFolder
from pipeline.distillation.faults import Faults
from pipeline.distillation.models import (
    check_fit,
    check_layer_map,
    check_length,
    check_teacher,
    make_student,
    spread_layers,
)
from pipeline.distillation.qamr import QamrSource, is_qamr
from pipeline.distillation.settings import Cadence, Data, Settings
from pipeline.distillation.span_objective import SpanObjective
from pipeline.distillation.squad_data import (
    LabelledSpans,
    SquadSource,
    hold_out,
    read_labelled_spans,
)
from pipeline.errors import InputError, MissingPackageError
from pipeline.load import Checkpoint, load_checkpoint
from pipeline.squad import Question, read_squad

if TYPE_CHECKING:
    from accelerate import Accelerator
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

    from pipeline.distillation.objective import Objective
    from pipeline.distillation.rows import Source

SUFFIX = {"task": "ForQuestionAnswering", "pre-training": "ForMaskedLM"}
"""How the architecture of a teacher of each mode ends."""

EXTRA, PACKAGES = "distill", ("accelerate", "datasets", "matplotlib")

_FINGERPRINT_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """A student that was trained.

    Attributes:
        folder: Where it lies.
        steps: Updates made.
        best_step: The update after which it was best; its weights are those.
        best: The figure that was best then.
        metric: What that figure is.
        num_parameters: Of the student.
        num_left_out: Examples that could not be used.
        seconds: Of this call.
        is_main: Whether this is the process that tells of it.
    """

    folder: Path
    steps: int
    best_step: int
    best: float
    metric: str
    num_parameters: int
    num_left_out: int
    seconds: float
    is_main: bool

    def lines(self) -> list[str]:
        """Returns the result in lines for a person."""
        left_out = [f"{self.num_left_out} examples could not be used"] * bool(self.num_left_out)
        return [
            f"{self.folder}: {self.num_parameters / 1e6:.1f} million parameters, "
            f"{self.metric} {self.best:.2f} at step {self.best_step} of {self.steps}",
            *left_out,
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns the result as the command line prints it."""
        fields = asdict(self)
        del fields["is_main"]
        return {**fields, "folder": str(self.folder.resolve())}


def distill(
    teacher_model: str,
    *,
    student_model: str | None,
    data: Data,
    settings: Settings,
    cadence: Cadence,
    destination: Path,
    half: bool,
    resume: bool,
) -> Distilled:
    """Trains a student of a teacher, and leaves it in a folder.

    Args:
        teacher_model: A folder or a Hub id, with the head that the mode needs.
        student_model: A DistilBERT to go on from; nothing: one is made of the teacher's layers.
        data: What is trained on.
        settings: Of the run; an empty layer map and 0 steps are filled in here.
        cadence: Of evaluations and checkpoints.
        destination: The student's folder.
        half: Stores the student's weights in fp16.
        resume: Goes on from the folder's checkpoint.
    """
    _check_installed()
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    from pipeline.distillation.journal import Journal, draw_losses
    from pipeline.distillation.train import train

    begin = time.monotonic()
    accelerator = Accelerator(mixed_precision=settings.mixed_precision)
    _check_batch(settings, accelerator.num_processes)
    folder = RunFolder(destination, half=half)
    folder.check(resume=resume)
    teacher = load_checkpoint(teacher_model, suffix=SUFFIX[settings.mode])
    settings = replace(settings, layer_map=_layer_map(settings, teacher))
    student = _student(student_model, teacher, settings)
    for model in filter(None, (teacher, student)):
        check_length(model, max_seq_len=settings.max_seq_len)
    faults = Faults(allowed=data.skip_bad)
    objective = _objective(data, teacher, settings, faults)
    settings = replace(settings, steps=_steps(settings, objective))
    if accelerator.is_main_process:
        folder.open(_describe(settings, data, teacher, student, accelerator))
        folder.save_tokenizer(teacher.tokenizer)
    accelerator.wait_for_everyone()
    network = _network(student, teacher, settings, accelerator)
    set_seed(settings.seed, device_specific=True)
    journal = Journal(folder.log, num_steps=settings.steps, is_main=accelerator.is_main_process)
    with journal.shown():
        state = train(
            network,
            teacher.network,
            objective=objective,
            settings=settings,
            cadence=cadence,
            folder=folder,
            journal=journal,
            accelerator=accelerator,
        )
    result = Distilled(
        folder=destination,
        steps=state.step,
        best_step=state.best_step or state.step,
        best=state.best or 0.0,
        metric=objective.metric,
        num_parameters=sum(each.numel() for each in network.parameters()),
        num_left_out=len(faults.found),
        seconds=time.monotonic() - begin,
        is_main=accelerator.is_main_process,
    )
    if accelerator.is_main_process:
        draw_losses(folder.log, folder.picture)
        folder.finish(result.to_json())
    accelerator.end_training()
    return result


def _check_installed() -> None:
    missing = missing_packages(PACKAGES)
    if missing:
        raise MissingPackageError(
            f"distillation needs {', '.join(missing)}", hint=install_line(EXTRA)
        )


def _check_batch(settings: Settings, num_processes: int) -> None:
    parts = settings.accumulate * num_processes
    if settings.batch_size % parts:
        raise InputError(
            f"a batch of {settings.batch_size} cannot be cut into {settings.accumulate} "
            f"accumulated parts on {num_processes} processes",
            hint=f"give a --batch-size that {parts} divides",
        )


def _layer_map(settings: Settings, teacher: Checkpoint) -> tuple[int, ...]:
    check_teacher(teacher)
    available = teacher.network.config.num_hidden_layers
    wanted = settings.num_layers or max(1, available // 2)
    if wanted > available:
        raise InputError(
            f"a student of {wanted} layers cannot start from the {available} of {teacher.name}",
            hint=f"give --layers {available} or fewer",
        )
    if settings.layer_map and settings.num_layers not in (None, len(settings.layer_map)):
        raise InputError(
            f"--layers {wanted} and a layer map of {len(settings.layer_map)} contradict each other",
            hint="leave one of the two out",
        )
    chosen = settings.layer_map or spread_layers(num_student=wanted, num_teacher=available)
    check_layer_map(chosen, teacher)
    return chosen


def _student(model: str | None, teacher: Checkpoint, settings: Settings) -> Checkpoint | None:
    """Returns the student to go on from, if the user has one."""
    if model is None:
        return None
    student = load_checkpoint(model, suffix="")
    check_fit(
        student,
        teacher,
        layer_map=settings.layer_map,
        needs_width=settings.weights.cosine > 0,
    )
    return student


def _network(
    start: Checkpoint | None, teacher: Checkpoint, settings: Settings, accelerator: "Accelerator"
) -> "PreTrainedModel":
    """Returns the network to train, with the attention that its device runs fastest."""
    torch.manual_seed(settings.seed)  # a head that nobody has yet begins at random
    network = make_student(
        teacher,
        start=start,
        layer_map=settings.layer_map,
        dropout=settings.dropout,
        attention_dropout=settings.attention_dropout,
    )
    # On a CPU the plain products train twice as fast as the fused attention.
    attention = "eager" if accelerator.device.type == "cpu" else "sdpa"
    for each in (network, teacher.network):
        each.set_attn_implementation(attention)
    return network


def _objective(data: Data, teacher: Checkpoint, settings: Settings, faults: Faults) -> "Objective":
    if settings.mode == "pre-training":
        from pipeline.distillation.masked_lm import MaskedLanguageObjective

        return MaskedLanguageObjective(
            data.paths,
            evaluation=data.evaluation,
            num_held_out=data.num_held_out,
            tokenizer=teacher.tokenizer,
            batch_size=settings.batch_size,
            max_seq_len=settings.max_seq_len,
            seed=settings.seed,
        )
    return _span_objective(data, teacher.tokenizer, settings, faults)


def _span_objective(
    data: Data, tokenizer: "Tokenizer", settings: Settings, faults: Faults
) -> SpanObjective:
    examples: list[LabelledSpans] = []
    sources: list[Source] = []
    for path in data.paths:
        if is_qamr(path):
            sources.append(QamrSource(path, tokenizer=tokenizer, faults=faults))
        else:
            examples += read_labelled_spans(path, faults)
    held_out: Sequence[Question]
    if data.evaluation is not None:
        held_out = read_squad(data.evaluation)
    else:
        examples, held_out = hold_out(examples, num_questions=data.num_held_out, seed=settings.seed)
    if not held_out:
        raise InputError(
            "there are no questions to judge the student by",
            hint="give --eval-data, or a --held-out part of the SQuAD files among --data",
        )
    if examples:
        sources.append(SquadSource(examples, tokenizer))
    return SpanObjective(
        sources,
        held_out=held_out,
        tokenizer=tokenizer,
        batch_size=settings.batch_size,
        max_seq_len=settings.max_seq_len,
        seed=settings.seed,
    )


def _steps(settings: Settings, objective: "Objective") -> int:
    if settings.steps:
        return settings.steps
    if objective.batches_per_epoch is None:
        raise InputError(
            "how long an epoch of raw text is can only be known at its end",
            hint="say by --steps how long to train",
        )
    return max(1, round(settings.epochs * objective.batches_per_epoch))


def _describe(
    settings: Settings,
    data: Data,
    teacher: Checkpoint,
    start: Checkpoint | None,
    accelerator: "Accelerator",
) -> dict[str, Any]:
    """Returns everything that decides the weights, as JSON without paths."""
    files = [path for given in data.paths for path in _files(given)]
    return {
        **asdict(settings),
        "teacher": {"name": teacher.name, "weights_sha256": teacher.weights_sha256},
        "student": start and {"name": start.name, "weights_sha256": start.weights_sha256},
        "data": [{"name": path.name, "sha256": _fingerprint(path)} for path in files],
        "evaluation": data.evaluation and _fingerprint(data.evaluation),
        "num_held_out": data.num_held_out,
        "num_processes": accelerator.num_processes,
    }


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.tsv")) if path.is_dir() else [path]


def _fingerprint(path: Path) -> str:
    """Returns the sha256 of a file's size, beginning and end: a corpus may be very large."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, 2)
        digest.update(str(size).encode())
        for begin in (0, max(0, size - _FINGERPRINT_BYTES)):
            file.seek(begin)
            digest.update(file.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()
