"""Distillation as a list of stages: load the teacher, make a student, read the data, train."""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from converters.values.errors import InputError
from pipeline.distillation.course import Course, Place, Trained, with_steps
from pipeline.distillation.data import READERS, read_objective
from pipeline.distillation.faults import Faults
from pipeline.distillation.models import (
    STUDENT_INPUTS,
    check_fit,
    check_layer_map,
    check_length,
    check_teacher,
    make_student,
    spread_layers,
)
from pipeline.distillation.objective import Learner
from pipeline.distillation.settings import Cadence, Data, Settings
from pipeline.student.load import Checkpoint, load_checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SUFFIXES = {"task": tuple(READERS), "pre-training": ("ForMaskedLM",)}
"""How the architecture of a teacher of each mode ends."""


def distill(
    teacher_model: str,
    *,
    student_model: str | None,
    data: Data,
    settings: Settings,
    cadence: Cadence,
    place: Place,
) -> Trained:
    """Trains a student of a teacher, and leaves it in a folder.

    Args:
        teacher_model: A folder or a Hub id, with the head that the mode needs.
        student_model: A DistilBERT to go on from; None makes one of the teacher's layers.
        data: What is trained on.
        settings: Of the run; an empty layer map and 0 steps are filled in here.
        cadence: Of evaluations and checkpoints.
        place: The student's folder.
    """
    course = Course(place, settings, cadence)
    teacher = load_checkpoint(teacher_model, suffixes=SUFFIXES[settings.mode])
    start = load_checkpoint(student_model, suffixes=("",)) if student_model else None
    settings = replace(settings, layer_map=_layer_map(settings, teacher, start))
    faults = Faults(allowed=data.skip_bad)
    objective = read_objective(
        data,
        Learner(
            tokenizer=teacher.tokenizer, input_names=STUDENT_INPUTS, config=teacher.network.config
        ),
        architecture=type(teacher.network).__name__,
        settings=settings,
        faults=faults,
    )
    settings = with_steps(settings, objective)
    course.begin(settings, data, teacher=teacher, student=start)
    network = _network(start, teacher, settings, attention=course.attention)
    return course.train(
        network,
        teacher.network,
        origin=teacher,
        tokenizer=teacher.tokenizer,
        objective=objective,
        settings=settings,
        faults=faults,
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
    start: Checkpoint | None, teacher: Checkpoint, settings: Settings, *, attention: str
) -> "PreTrainedModel":
    """Returns the network to train; it and the teacher get the attention that is fastest."""
    torch.manual_seed(settings.seed)  # a head that nobody has yet begins at random
    network = make_student(
        teacher,
        start=start,
        layer_map=settings.layer_map,
        dropout=settings.dropout,
        attention_dropout=settings.attention_dropout,
    )
    for each in (network, teacher.network):
        each.set_attn_implementation(attention)
    return network
