"""The tasks: each a folder of its own, which holds all that is particular to it.

A task is found by the end of the architecture's name, or by the name that a manifest states. A new
one adds a folder here and one in ``on_device``, and its class to ``TASKS``.
"""

from typing import TYPE_CHECKING

from converters.values.errors import InputError
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.task import Task
from pipeline.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from pipeline.bundle.manifest import Manifest

QUESTIONS = QuestionAnswering.NAME
"""The task of the student that is used where nobody names a model or a task."""

TASKS: tuple[type[Task], ...] = (QuestionAnswering, TextClassification)


def task_of_model(architecture: str, config: "PreTrainedConfig") -> Task:
    """Returns the task of a checkpoint.

    Args:
        architecture: Such as ``DistilBertForQuestionAnswering``.
        config: Of the checkpoint.

    Raises:
        InputError: No task has such an architecture, or its head is not one of the task.
    """
    for task in TASKS:
        if architecture.endswith(task.ARCHITECTURE_SUFFIX):
            return task.of_config(config)
    supported = ", ".join(f"…{task.ARCHITECTURE_SUFFIX}" for task in TASKS)
    raise InputError(
        f"the model is a {architecture}, a task that is not supported",
        hint=f"give a model whose architecture is {supported}",
    )


def task_of_bundle(manifest: "Manifest") -> Task:
    """Returns the task of a bundle, by the rules of its manifest.

    Raises:
        InputError: This version does not know it.
        ManifestDamagedError: A rule is unknown, missing or out of its bounds.
    """
    task = tasks_by_name().get(manifest.task.name)
    if task is None:
        raise InputError(
            f"the bundle's task is {manifest.task.name}, which this version does not know",
            hint="update PocketBERT: pip install -U pocketbert",
        )
    return task.of_manifest(manifest)


def check_task_name(name: str | None) -> None:
    """Refuses the name of a task that there is not; None is no name.

    Raises:
        InputError: There is none of that name.
    """
    if name is not None and name not in tasks_by_name():
        raise InputError(
            f"there is no task {name}", hint=f"choose one of {', '.join(tasks_by_name())}"
        )


def tasks_by_name() -> dict[str, type[Task]]:
    """Returns the tasks by the names that manifests give them."""
    return {task.NAME: task for task in TASKS}
