"""Distillation as a list of stages: load the teacher, make a student, read the data, train."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from converters.backends import install_line, missing_packages
from converters.values.errors import InputError, MissingPackageError
from pipeline.distillation.card import write_card
from pipeline.distillation.checkpoints import RunFolder
from pipeline.distillation.data import READERS, fingerprint, list_files, read_objective
from pipeline.distillation.faults import Faults
from pipeline.distillation.models import (
    check_fit,
    check_layer_map,
    check_length,
    check_teacher,
    make_student,
    spread_layers,
)
from pipeline.distillation.settings import EXTRA, PACKAGES, Cadence, Data, Settings
from pipeline.student.load import Checkpoint, load_checkpoint

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel

    from pipeline.distillation.checkpoints import State
    from pipeline.distillation.objective import Objective

SUFFIXES = {"task": tuple(READERS), "pre-training": ("ForMaskedLM",)}
"""How the architecture of a teacher of each mode ends."""


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """A student that was trained.

    Attributes:
        folder: Where it lies.
        steps: Updates made.
        best_step: The update after which it was best; its weights are those.
        scores: What the held-out data gave then.
        num_parameters: Of the student.
        num_left_out: Examples that could not be used.
        seconds: Of this call.
        is_main: Whether this is the process that tells of it.
    """

    folder: Path
    steps: int
    best_step: int
    scores: dict[str, float]
    num_parameters: int
    num_left_out: int
    seconds: float
    is_main: bool

    def lines(self) -> list[str]:
        """Returns the result in lines for a person."""
        scores = ", ".join(f"{name} {value:.2f}" for name, value in self.scores.items())
        left_out = [f"{self.num_left_out} examples could not be used"] * bool(self.num_left_out)
        return [
            f"{self.folder}: {self.num_parameters / 1e6:.1f} million parameters, "
            f"{scores} at step {self.best_step} of {self.steps}",
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
    command: str,
) -> Distilled:
    """Trains a student of a teacher, and leaves it in a folder.

    Args:
        teacher_model: A folder or a Hub id, with the head that the mode needs.
        student_model: A DistilBERT to go on from; None makes one of the teacher's layers.
        data: What is trained on.
        settings: Of the run; an empty layer map and 0 steps are filled in here.
        cadence: Of evaluations and checkpoints.
        destination: The student's folder.
        half: Stores the student's weights in fp16.
        resume: Goes on from the folder's checkpoint.
        command: The line that the user gave, for the model card.
    """
    begin = time.monotonic()
    accelerator = _accelerator(settings)
    folder = RunFolder(destination, half=half)
    folder.check(resume=resume)
    teacher = load_checkpoint(teacher_model, suffixes=SUFFIXES[settings.mode])
    start = load_checkpoint(student_model, suffixes=("",)) if student_model else None
    settings = replace(settings, layer_map=_layer_map(settings, teacher, start))
    faults = Faults(allowed=data.skip_bad)
    objective = read_objective(
        data, architecture=type(teacher.network).__name__, tokenizer=teacher.tokenizer,
        settings=settings, faults=faults,
    )  # fmt: skip
    settings = replace(settings, steps=_steps(settings, objective))
    run = _describe(settings, data, teacher, start, accelerator)
    _open(folder, run, accelerator)
    network = _network(start, teacher, settings, accelerator)
    state = _train(network, teacher, objective, settings, cadence, folder, accelerator)
    result = Distilled(
        folder=destination, steps=state.step, best_step=state.best_step, scores=state.best,
        num_parameters=network.num_parameters(), num_left_out=len(faults.found),
        seconds=time.monotonic() - begin, is_main=accelerator.is_main_process,
    )  # fmt: skip
    _finish(folder, result, network, teacher, run, command)
    accelerator.end_training()
    return result


def _open(folder: RunFolder, run: dict[str, Any], accelerator: "Accelerator") -> None:
    """Opens the folder in the main process, before any other goes on."""
    if accelerator.is_main_process:
        folder.open(run)
    accelerator.wait_for_everyone()


def _train(
    network: "PreTrainedModel",
    teacher: Checkpoint,
    objective: "Objective",
    settings: Settings,
    cadence: Cadence,
    folder: RunFolder,
    accelerator: "Accelerator",
) -> "State":
    """Trains the network, shows how that goes, and draws its losses."""
    from accelerate.utils import set_seed

    from pipeline.distillation.journal import Journal, draw_losses
    from pipeline.distillation.train import train

    if accelerator.is_main_process:
        positions = network.config.max_position_embeddings
        folder.save_tokenizer(teacher.tokenizer, max_seq_len=positions)
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
    if accelerator.is_main_process:
        draw_losses(folder.log, folder.picture)
    return state


def _finish(
    folder: RunFolder,
    result: Distilled,
    network: "PreTrainedModel",
    teacher: Checkpoint,
    run: dict[str, Any],
    command: str,
) -> None:
    """Writes the model card and the result, in the main process alone."""
    if not result.is_main:
        return
    write_card(
        folder.card,
        student=network,
        teacher=teacher,
        run=run,
        command=command,
        scores=result.scores,
        best_step=result.best_step,
    )
    folder.finish(result.to_json())


def _accelerator(settings: Settings) -> "Accelerator":
    """Returns what trains on whatever this machine has.

    Raises:
        MissingPackageError: What trains is not installed.
        InputError: A batch cannot be cut into equal parts for it.
    """
    _check_installed()
    from accelerate import Accelerator

    # Several processes on CPUs are told apart only where it is said that there is nothing else.
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(), mixed_precision=settings.mixed_precision
    )
    _check_batch(settings, accelerator.num_processes)
    return accelerator


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


def _layer_map(
    settings: Settings, teacher: Checkpoint, start: Checkpoint | None
) -> tuple[int, ...]:
    """Returns the teacher's layer for each of the student's, and checks that the two fit."""
    check_teacher(teacher)
    available = teacher.network.config.num_hidden_layers
    own = start.network.config.num_hidden_layers if start else max(1, available // 2)
    wanted = settings.num_layers or own
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
    if start is not None:
        needs_width = settings.weights.cosine > 0
        check_fit(start, teacher, layer_map=chosen, needs_width=needs_width)
    for model in filter(None, (teacher, start)):
        check_length(model, max_seq_len=settings.max_seq_len)
    return chosen


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
    files = [path for given in data.paths for path in list_files(given)]
    return {
        **asdict(settings),
        "teacher": {"name": teacher.name, "weights_sha256": teacher.weights_sha256},
        "student": start and {"name": start.name, "weights_sha256": start.weights_sha256},
        "data": [{"name": path.name, "sha256": fingerprint(path)} for path in files],
        "evaluation": data.evaluation and fingerprint(data.evaluation),
        "num_held_out": data.num_held_out,
        "num_processes": accelerator.num_processes,
    }
