"""What is a task's own stands in its folders alone; nothing else imports them by name.

A few modules may: the two tables that list the tasks, for a table has to name its rows; the
commands ``ask``, which puts questions, and ``classify``: each is its task's own command; and the
page, which has a screen of its own for each task.
"""

import functools

from pipeline.tasks import TASKS
from tests.test_rooms import Import, imports, modules, tell

TABLES = {"pipeline.tasks", "pipeline.distillation.data"}
SCREENS = {"pipeline.page.app", "pipeline.page.facts", "pipeline.page.shown"}
OWN_COMMANDS = {
    "question_answering": {"pipeline.commands.ask"},
    "text_classification": {"pipeline.commands.classify"},
}


@functools.cache
def own_folders() -> set[str]:
    """Returns the names of the folders of tasks."""
    return {
        name.removeprefix("pipeline.tasks.")
        for name, path in modules().items()
        if name.startswith("pipeline.tasks.") and path.name == "__init__.py"
    }


def folder_of(module: str) -> str | None:
    """Returns the task in whose folder a module stands; None where it is in no task's."""
    return next((part for part in module.split(".") if part in own_folders()), None)


def crossing(found: list[Import]) -> list[Import]:
    """Returns the imports of a task's own modules by modules that are not its own."""
    return [
        (module, name)
        for module, name in found
        if (task := folder_of(name)) is not None
        and folder_of(module) != task
        and module not in TABLES | SCREENS | OWN_COMMANDS.get(task, set())
    ]


def test_nothing_but_tables_and_its_own_command_imports_a_task() -> None:
    assert len(own_folders()) == len(TASKS)
    found = crossing(list(imports()))
    assert not found, tell(found)


def test_import_of_a_task_by_any_other_module_is_told() -> None:
    for name in (
        "pipeline.tasks.question_answering.squad",
        "pipeline.on_device.question_answering",
    ):
        assert crossing([("pipeline.comparison.parity", name)])
        assert not crossing([("pipeline.distillation.question_answering.rows", name)])
        assert not crossing([("pipeline.commands.ask", name)])
