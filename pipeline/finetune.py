"""Fine-tuning as a list of stages: load the encoder, give it a head, read the labels, train."""

from collections.abc import Mapping
from typing import Any

import torch

from converters.values.errors import InputError
from pipeline.distillation.course import Course, Place, Trained, with_steps
from pipeline.distillation.data import HEADS, READERS, read_objective
from pipeline.distillation.faults import Faults
from pipeline.distillation.fine_tuning import make_model, trim_vocabulary
from pipeline.distillation.models import check_length
from pipeline.distillation.objective import Learner
from pipeline.distillation.settings import Cadence, Data, Settings
from pipeline.student.load import Checkpoint, input_names, load_checkpoint
from pipeline.tasks import TASKS


def finetune(
    model: str,
    *,
    task: str,
    problem_type: str | None,
    data: Data,
    settings: Settings,
    cadence: Cadence,
    place: Place,
) -> Trained:
    """Trains an encoder on the labels of a task, and leaves it in a folder with the task's head.

    Args:
        model: A folder or a Hub id, of any head or none.
        task: Its name.
        problem_type: What the outputs of a classifier's new head mean. None keeps the head of a
            model that has one of the task; any other then gets one of a single label.
        data: What is trained on.
        settings: Of the run; 0 steps are filled in here.
        cadence: Of evaluations and checkpoints.
        place: The model's folder.
    """
    course = Course(place, settings, cadence)
    encoder = load_checkpoint(model, suffixes=("",))
    check_length(encoder, max_seq_len=settings.max_seq_len)
    suffix = _suffix(task)
    torch.manual_seed(settings.seed)  # a head that nobody has yet begins at random
    network = make_model(
        encoder, suffix=suffix,
        fields=_new_head(encoder, data, suffix=suffix, problem_type=problem_type),
        dropout=settings.dropout, attention_dropout=settings.attention_dropout,
    )  # fmt: skip
    tokenizer = encoder.tokenizer
    if data.vocabulary is not None:
        tokenizer = trim_vocabulary(network, tokenizer, data.vocabulary)
    faults = Faults(allowed=data.skip_bad)
    names = input_names(network.config)
    learner = Learner(tokenizer=tokenizer, input_names=names, config=network.config)
    objective = read_objective(data, learner, architecture=suffix, settings=settings, faults=faults)
    settings = with_steps(settings, objective)
    course.begin(settings, data, model=encoder)
    network.set_attn_implementation(course.attention)
    return course.train(
        network, None, origin=encoder, tokenizer=tokenizer, objective=objective,
        settings=settings, faults=faults,
    )  # fmt: skip


def _suffix(task: str) -> str:
    """Returns how the architecture of a task's models ends."""
    suffixes = {each.NAME: each.ARCHITECTURE_SUFFIX for each in TASKS}
    known = [name for name, suffix in suffixes.items() if suffix in READERS]
    if task not in known:
        raise InputError(
            f"there is no task {task} to train for", hint=f"give one of: {', '.join(known)}"
        )
    return suffixes[task]


def _new_head(
    encoder: Checkpoint, data: Data, *, suffix: str, problem_type: str | None
) -> Mapping[str, Any] | None:
    """Returns the configuration of a new head; None where the model keeps its own."""
    if problem_type is None and type(encoder.network).__name__.endswith(suffix):
        return None
    return HEADS[suffix](data, problem_type)
